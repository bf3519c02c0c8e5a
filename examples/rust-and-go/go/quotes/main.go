// Answers over HTTP what an order costs, as a protobuf message.
//
//	GET /quote?order=tea:3&order=cup:12
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"example.com/rust-and-go/messages"
	"example.com/rust-and-go/pricing"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	// Whoever started this holds the other end: it is not left behind, however they end.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	http.HandleFunc("/quote", answer)
	log.Fatal(http.Serve(listener, nil))
}

func answer(w http.ResponseWriter, r *http.Request) {
	quote, err := quoteFor(r.URL.Query()["order"])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := proto.Marshal(quote)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(body) // whoever asked may be gone
}

// quoteFor takes orders such as tea:3.
func quoteFor(orders []string) (*messages.Quote, error) {
	quote := &messages.Quote{Currency: pricing.Currency}
	for _, order := range orders {
		item, text, _ := strings.Cut(order, ":")
		count, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is not an order: want ITEM:COUNT", order)
		}
		price, err := pricing.Of(item, uint32(count))
		if err != nil {
			return nil, err
		}
		quote.TotalCents += price.Cents
		quote.Lines = append(quote.Lines, &messages.Line{
			Item:        item,
			Count:       uint32(count),
			TotalCents:  price.Cents,
			HasDiscount: price.HasDiscount,
		})
	}
	return quote, nil
}
