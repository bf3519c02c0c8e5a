// Package models holds the domain types that the services share: users, orders
// and jobs, the money they are paid in, and the data set that holds them all.
//
// Values are checked by their Validate methods, which report every problem at
// once. The types know nothing of HTTP, storage or time: the caller passes in
// identifiers and the current time.
package models
