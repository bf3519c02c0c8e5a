package pricing

import "testing"

func TestDiscountBeginsAtTenPieces(t *testing.T) {
	for count, want := range map[uint32]Price{
		0:  {},
		9:  {Cents: 5760},
		10: {Cents: 5760, HasDiscount: true},
	} {
		got, err := Of("tea", count)
		if err != nil || got != want {
			t.Errorf("%d pieces: %v, %v; want %v", count, got, err, want)
		}
	}
}

func TestAnUnknownItemIsNamed(t *testing.T) {
	_, err := Of("gold", 1)
	if err == nil || err.Error() != `there is no item "gold"` {
		t.Errorf("%v", err)
	}
}
