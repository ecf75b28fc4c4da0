// Reads a stream with github.com/r3labs/sse, and writes each text as a line of JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/r3labs/sse/v2"
)

func main() {
	err := sse.NewClient(os.Args[1]).SubscribeRaw(func(event *sse.Event) {
		var chunk struct{ Chunk_type struct{ Type, Content string } }
		if json.Unmarshal(event.Data, &chunk) != nil {
			return
		}
		text := chunk.Chunk_type.Content
		if chunk.Chunk_type.Type == "Complete" {
			text = "Complete"
		}
		line, _ := json.Marshal(text)
		fmt.Println(string(line))
	})
	fmt.Fprintln(os.Stderr, "over:", err)
	time.Sleep(time.Hour)
}
