// The prices as a library with a C interface, for go build -buildmode=c-archive.
package main

import "C"

import "example.com/rust-and-go/pricing"

// price_of says what count pieces of an item cost, in cents; -1 if there is no such item.
// The name is read during the call only.
//
//export price_of
func price_of(item *C.char, count C.uint) C.longlong {
	price, err := pricing.Of(C.GoString(item), uint32(count))
	if err != nil {
		return -1
	}
	return C.longlong(price.Cents)
}

func main() {} // a c-archive wants one, and never calls it
