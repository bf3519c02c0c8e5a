package server

import (
	"net/http"

	"example.com/monorepo/services/api/internal/store"
	"example.com/monorepo/shared/models"
)

// orderRequest is what a client may say of a new order.
type orderRequest struct {
	UserID string        `json:"user_id"`
	Lines  []models.Line `json:"lines"`
}

// orderAnswer is an order with the total that its lines add up to.
type orderAnswer struct {
	models.Order
	Total models.Money `json:"total"`
}

func withTotal(order models.Order, err error) (orderAnswer, error) {
	if err != nil {
		return orderAnswer{}, err
	}
	total, err := order.Total()
	return orderAnswer{order, total}, err
}

func (s *Server) listOrders(r *http.Request, _ string) (answer, error) {
	query := r.URL.Query()
	filter := store.OrderFilter{UserID: query.Get("user"), Status: models.OrderStatus(query.Get("status"))}
	if filter.Status != "" && !filter.Status.Valid() {
		return answer{}, &requestError{http.StatusBadRequest, "unknown status"}
	}
	orders, err := s.store.Orders(r.Context(), filter)
	if err != nil {
		return answer{}, err
	}
	answers := make([]orderAnswer, len(orders))
	for i, order := range orders {
		if answers[i], err = withTotal(order, nil); err != nil {
			return answer{}, err
		}
	}
	return ok(answers), nil
}

func (s *Server) getOrder(r *http.Request, id string) (answer, error) {
	order, err := withTotal(s.store.Order(r.Context(), id))
	return ok(order), err
}

func (s *Server) addOrder(r *http.Request, _ string) (answer, error) {
	var request orderRequest
	if err := readBody(r, &request); err != nil {
		return answer{}, err
	}
	added := models.Order{
		ID:        s.newID("ord"),
		UserID:    request.UserID,
		Lines:     request.Lines,
		Status:    models.OrderPending,
		CreatedAt: s.now().UTC(),
	}
	order, err := withTotal(added, s.store.AddOrder(r.Context(), added))
	return created(order), err
}

func (s *Server) setOrderStatus(r *http.Request, id string) (answer, error) {
	var request struct {
		Status models.OrderStatus `json:"status"`
	}
	if err := readBody(r, &request); err != nil {
		return answer{}, err
	}
	if !request.Status.Valid() {
		return answer{}, &requestError{http.StatusBadRequest, "unknown status"}
	}
	order, err := withTotal(s.store.UpdateOrder(r.Context(), id, func(order *models.Order) error {
		return order.Advance(request.Status)
	}))
	return ok(order), err
}

func (s *Server) removeOrder(r *http.Request, id string) (answer, error) {
	return noContent(), s.store.RemoveOrder(r.Context(), id)
}
