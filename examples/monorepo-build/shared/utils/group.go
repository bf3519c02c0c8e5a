package utils

import (
	"fmt"
	"sync"
)

// Group runs functions in goroutines, no more than a limit of them at a time,
// and keeps the first error. A panic counts as an error.
type Group struct {
	slots chan struct{}
	wg    sync.WaitGroup
	once  sync.Once
	err   error
}

// NewGroup returns a group for at most limit functions at a time.
func NewGroup(limit int) *Group {
	return &Group{slots: make(chan struct{}, limit)}
}

// Go runs f, after waiting for a free slot.
func (g *Group) Go(f func() error) {
	g.slots <- struct{}{}
	g.wg.Add(1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				g.fail(fmt.Errorf("panic: %v", cause))
			}
			<-g.slots
			g.wg.Done()
		}()
		if err := f(); err != nil {
			g.fail(err)
		}
	}()
}

// Wait waits for all functions and returns the first error.
func (g *Group) Wait() error {
	g.wg.Wait()
	return g.err
}

func (g *Group) fail(err error) {
	g.once.Do(func() { g.err = err })
}
