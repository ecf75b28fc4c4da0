// A worker that speaks plain HTTP (PROTOCOL.md, 6): sends a text word by word, as lines of one request.
//
//	go run worker_http.go http://127.0.0.1:8081 my-stream "Streams that survive."
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func post(url string, contentType string, body io.Reader) {
	response, err := http.Post(url, contentType, body)
	if err != nil {
		log.Fatal(err)
	}
	if answer, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		log.Fatalf("%s: %s", response.Status, answer)
	}
}

func main() {
	streams, id, words := os.Args[1]+"/streams", os.Args[2], strings.SplitAfter(os.Args[3], " ")
	post(streams, "application/json", strings.NewReader(fmt.Sprintf(`{"stream_id":%q}`, id)))
	reader, writer := io.Pipe()
	go func() {
		defer writer.Close()
		lines := json.NewEncoder(writer)
		for _, word := range words {
			lines.Encode(map[string]any{"type": "Text", "content": word})
		}
		lines.Encode(map[string]any{"type": "Complete", "summary": fmt.Sprint(len(words), " words")})
	}()
	post(streams+"/"+id+"/chunks", "application/x-ndjson", reader)
}
