package jobs

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Status is how the tasks of a kind stand.
type Status struct {
	Kind    string
	Pending int           // tasks that are not done yet, in all app instances
	Oldest  time.Duration `json:"OldestNanoseconds"` // age of the oldest of them
	Failed  uint64        // attempts, since this node started
}

// Status returns how far each registered kind is, by name.
func (q *Queue) Status(ctx context.Context) ([]Status, error) {
	tasks, _, err := q.list(ctx)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []Status
	for kind := range q.kinds {
		s := Status{Kind: kind, Failed: q.failed[kind]}
		for _, task := range tasks {
			if task.Kind != kind {
				continue
			}
			s.Pending++
			if task.Created != 0 { // tasks of older versions have none
				s.Oldest = max(s.Oldest, q.o.Now().Sub(task.Created.Time()))
			}
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Kind, b.Kind) })
	return list, nil
}
