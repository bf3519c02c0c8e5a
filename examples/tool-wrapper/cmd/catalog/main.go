// Catalog lists the products of a catalogue that is written as JSON.
//
//	catalog [-category garden] [-limit 10] FILE
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	catalogv1 "example.com/tool-wrapper/gen/catalog/v1"
)

func main() {
	category := flag.String("category", "", "list only these products")
	limit := flag.Uint("limit", 20, "list so many products at most")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	search, err := parse(*category, *limit)
	if err == nil {
		err = list(os.Stdout, flag.Arg(0), search)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "catalog:", err)
		os.Exit(1)
	}
}

func parse(category string, limit uint) (*catalogv1.Search, error) {
	search := &catalogv1.Search{Limit: uint32(limit)}
	if category == "" {
		return search, nil
	}
	number, ok := catalogv1.Category_value["CATEGORY_"+strings.ToUpper(category)]
	if !ok {
		return nil, fmt.Errorf("there is no category %q", category)
	}
	search.Category = catalogv1.Category(number)
	return search, nil
}

func list(out io.Writer, path string, search *catalogv1.Search) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var catalog catalogv1.Catalog
	if err := protojson.Unmarshal(text, &catalog); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintln(out, catalog.GetTitle())
	for _, product := range find(&catalog, search) {
		price := product.GetPrice()
		fmt.Fprintf(out, "%-6s %-24s %6d.%02d %s\n",
			product.GetId(), product.GetName(), price.GetCents()/100, price.GetCents()%100, price.GetCurrency())
	}
	return nil
}

func find(catalog *catalogv1.Catalog, search *catalogv1.Search) []*catalogv1.Product {
	var found []*catalogv1.Product
	for _, product := range catalog.GetProducts() {
		if len(found) == int(search.GetLimit()) {
			break
		}
		if want := search.GetCategory(); want == 0 || want == product.GetCategory() {
			found = append(found, product)
		}
	}
	return found
}
