// A worker that speaks plain NATS (PROTOCOL.md, 5): publishes a text word by word.
//
//	go run . nats://127.0.0.1:4222 my-stream "Streams that survive."
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	connection, err := nats.Connect(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	js, _ := jetstream.New(connection)
	words, me := strings.SplitAfter(os.Args[3], " "), nats.NewInbox()
	publish := func(number int, chunk map[string]any) {
		payload, _ := json.Marshal(chunk)
		// One at a time, so they are stored in order; with an id of its own, so a repeated one is stored once.
		id := jetstream.WithMsgID(fmt.Sprint(me, ":", number))
		_, err := js.Publish(context.Background(), "stream."+os.Args[2], payload, id, jetstream.WithRetryAttempts(10))
		if err != nil {
			log.Fatal(err)
		}
	}
	for number, word := range words {
		publish(number, map[string]any{"type": "Text", "content": word})
	}
	publish(len(words), map[string]any{"type": "Complete", "summary": fmt.Sprint(len(words), " words")})
}
