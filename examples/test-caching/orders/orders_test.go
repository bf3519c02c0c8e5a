package orders_test

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/test-caching/client"
	"example.com/test-caching/customers"
	"example.com/test-caching/internal/servicetest"
	"example.com/test-caching/orders"
	"example.com/test-caching/stock"
)

var service *client.Client

func TestMain(m *testing.M) {
	os.Exit(servicetest.Main(m, "orders", &service))
}

func customer(t *testing.T) customers.Customer {
	t.Helper()
	added, err := customers.Register(service, "Ada", servicetest.Unique(t)+"@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func received(t *testing.T, count int) string {
	t.Helper()
	sku := servicetest.Unique(t)
	if _, err := stock.Receive(service, sku, count); err != nil {
		t.Fatal(err)
	}
	return sku
}

func left(t *testing.T, sku string) int {
	t.Helper()
	count, err := stock.Count(service, sku)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func TestAnOrderTakesFromTheStock(t *testing.T) {
	sku := received(t, 5)
	placed, err := orders.Place(service, customer(t), stock.Item{SKU: sku, Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	found, err := orders.Find(service, placed.ID)
	if err != nil || len(found.Lines) != 1 || found.Lines[0].Count != 2 {
		t.Errorf("found %+v: %v", found, err)
	}
	if count := left(t, sku); count != 3 {
		t.Errorf("%d are left", count)
	}
}

func TestAnOrderIsPlacedWholeOrNotAtAll(t *testing.T) {
	many, few := received(t, 100), received(t, 1)
	_, err := orders.Place(service, customer(t), stock.Item{SKU: many, Count: 10}, stock.Item{SKU: few, Count: 2})
	if err == nil {
		t.Error("more was sold than there is")
	}
	if left(t, many) != 100 || left(t, few) != 1 {
		t.Errorf("%d and %d are left", left(t, many), left(t, few))
	}
}

func TestTheLastOnesAreSoldOnce(t *testing.T) {
	sku, buyer := received(t, 5), customer(t)
	var sold atomic.Int32
	var all sync.WaitGroup
	for i := 0; i < 20; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := orders.Place(service, buyer, stock.Item{SKU: sku, Count: 1}); err == nil {
				sold.Add(1)
			}
		}()
	}
	all.Wait()
	if sold.Load() != 5 || left(t, sku) != 0 {
		t.Errorf("of 5, %d were sold and %d are left", sold.Load(), left(t, sku))
	}
}
