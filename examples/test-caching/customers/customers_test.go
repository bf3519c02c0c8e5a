package customers_test

import (
	"errors"
	"os"
	"testing"

	"example.com/test-caching/client"
	"example.com/test-caching/customers"
	"example.com/test-caching/internal/servicetest"
)

var service *client.Client

func TestMain(m *testing.M) {
	os.Exit(servicetest.Main(m, "customers", &service))
}

func TestWhoIsRegisteredIsFound(t *testing.T) {
	email := servicetest.Unique(t) + "@Example.com"
	added, err := customers.Register(service, " Ada ", email)
	if err != nil {
		t.Fatal(err)
	}
	found, err := customers.Find(service, added.ID)
	if err != nil {
		t.Fatal(err)
	}
	if found != added || found.Name != "Ada" {
		t.Errorf("registered %+v, found %+v", added, found)
	}
}

func TestAnAddressIsTakenOnce(t *testing.T) {
	email := servicetest.Unique(t) + "@example.com"
	if _, err := customers.Register(service, "Ada", email); err != nil {
		t.Fatal(err)
	}
	_, err := customers.Register(service, "Grace", email)
	var refused *client.Refused
	if !errors.As(err, &refused) || refused.Status != 409 {
		t.Errorf("the second one got: %v", err)
	}
}

func TestWhoHasNoNameIsRefused(t *testing.T) {
	if _, err := customers.Register(service, "  ", servicetest.Unique(t)+"@example.com"); err == nil {
		t.Error("a customer without a name was registered")
	}
}
