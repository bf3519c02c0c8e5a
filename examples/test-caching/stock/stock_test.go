package stock_test

import (
	"os"
	"testing"

	"example.com/test-caching/client"
	"example.com/test-caching/internal/servicetest"
	"example.com/test-caching/stock"
)

var service *client.Client

func TestMain(m *testing.M) {
	os.Exit(servicetest.Main(m, "stock", &service))
}

func TestWhatIsReceivedAddsUp(t *testing.T) {
	sku := servicetest.Unique(t)
	for _, count := range []int{3, 4} {
		if _, err := stock.Receive(service, sku, count); err != nil {
			t.Fatal(err)
		}
	}
	if count, err := stock.Count(service, sku); err != nil || count != 7 {
		t.Errorf("3 and 4 are %d: %v", count, err)
	}
}

func TestWhatWasNeverReceivedIsNotThere(t *testing.T) {
	if count, err := stock.Count(service, servicetest.Unique(t)); err == nil {
		t.Errorf("there are %d", count)
	}
}

func TestLessThanNothingIsRefused(t *testing.T) {
	if _, err := stock.Receive(service, servicetest.Unique(t), -1); err == nil {
		t.Error("less than nothing was received")
	}
}
