// Reads a stream to its end, whatever happens to connections and servers (PROTOCOL.md, 7).
//
//	go run reader.go http://127.0.0.1:8080/streams/my-stream/events
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	request, _ := http.NewRequest("GET", os.Args[1], nil)
	for ; ; time.Sleep(time.Second) {
		response, err := http.DefaultClient.Do(request)
		if err != nil || response.StatusCode >= 500 {
			continue
		} else if response.StatusCode != 200 {
			panic(response.Status)
		}
		lines := bufio.NewScanner(response.Body)
		for lines.Buffer(nil, 8<<20); lines.Scan(); {
			var chunk struct{ Chunk_type struct{ Type, Content string } }
			if field, value, _ := strings.Cut(lines.Text(), ": "); field == "id" {
				request.Header.Set("Last-Event-ID", value) // Here it goes on after a cut.
			} else if field == "data" && json.Unmarshal([]byte(value), &chunk) == nil {
				fmt.Print(chunk.Chunk_type.Content)
			}
			if kind := chunk.Chunk_type.Type; kind == "Complete" || kind == "Error" {
				return
			}
		}
	}
}
