// Package pricing knows what things cost. The library and the service share it.
package pricing

import "fmt"

// Currency is what all prices are in.
const Currency = "EUR"

const (
	// From this many pieces on there is a discount.
	discountFrom = 10
	// How much of a price remains then, in percent.
	discounted = 90
)

var cents = map[string]int64{
	"coffee": 890,
	"cup":    1250,
	"tea":    640,
}

// Price is what some pieces of an item cost together.
type Price struct {
	Cents       int64
	HasDiscount bool
}

// Of says what count pieces of an item cost.
func Of(item string, count uint32) (Price, error) {
	each, isKnown := cents[item]
	if !isKnown {
		return Price{}, fmt.Errorf("there is no item %q", item)
	}
	total := each * int64(count)
	if count < discountFrom {
		return Price{Cents: total}, nil
	}
	return Price{Cents: total * discounted / 100, HasDiscount: true}, nil
}
