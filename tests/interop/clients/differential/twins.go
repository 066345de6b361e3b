// What the two runs of one case tell each other.
package main

import "sync"

type waited struct {
	patient  [2]bool
	answered bool
	waits    bool
}

type twins struct {
	lock   sync.Mutex
	waited map[string]*waited
}

func (t *twins) at(label string) *waited {
	if t.waited[label] == nil {
		t.waited[label] = &waited{}
	}
	return t.waited[label]
}

// Whether neither side has an answer, and both have been patient.
func (t *twins) waits(label string, side int, patient bool) bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	w := t.at(label)
	w.patient[side] = patient
	w.waits = w.waits || (w.patient[0] && w.patient[1] && !w.answered)
	return w.waits
}

// One side has an answer; false: it was said before that there is none.
func (t *twins) answers(label string) bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	w := t.at(label)
	w.answered = !w.waits
	return w.answered
}
