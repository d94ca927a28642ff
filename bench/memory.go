//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// kernelFloor is the kernel's memory for one TCP endpoint, in KB (design, limits of the machine).
const kernelFloor = 4.8

// idleMembers is how many members the channels of users have whose sessions are idle.
const idleMembers = 100

// idle measures the memory of sessions that do nothing. Each is of a user of its own, a member of a
// channel. User memory is the heap after a collection and the stacks, as the runtime reports them.
func (b *bench) idle(ctx context.Context) error {
	for _, kind := range []struct {
		name    string
		sockets int
		secure  bool
		most    float64
	}{{"plaintext", b.sizes.idle, false, 1.5}, {"TLS", b.sizes.secure, true, 10}} {
		user, resident, err := b.idleSockets(ctx, b.program, kind.name, kind.sockets, kind.secure)
		if err != nil {
			return err
		}
		of := fmt.Sprintf("idle session of %d, %s", kind.sockets, kind.name)
		b.add(figure("memory", of+", heap and stacks", "KB", user).aims(valueAtMost(kind.most)),
			figure("memory", of+", resident", "KB", resident).
				against("kernel memory of a TCP endpoint, which comes on top", []float64{kernelFloor}))
	}
	return nil
}

// idleSockets gives the memory of a session: from none to a quarter of the sockets, and from
// there to all.
func (b *bench) idleSockets(ctx context.Context, program, name string, sockets int, secure bool) (user, resident []float64, err error) {
	s, err := b.stageOf(ctx, program, "memory-"+name, sockets, idleMembers)
	if err != nil {
		return nil, nil, err
	}
	defer s.Stop()

	before, err := s.settled(ctx)
	if err != nil {
		return nil, nil, err
	}

	// The sockets are held by other processes, so that nothing of them is in the node's memory.
	job := holdJob{Addr: s.Addr, Users: s.users, Steps: []int{sockets / 4, sockets}}
	if secure {
		job.CAFile = filepath.Join(s.data, "tls", "ca.pem")
	}
	holders, err := hold(ctx, job, 0)
	if err != nil {
		return nil, nil, err
	}
	defer holders.stop()

	// Each step is compared with the one before: the first pays for what all share.
	held := 0
	for _, step := range job.Steps {
		if err := holders.arrived(); err != nil {
			return nil, nil, err
		}
		after, err := s.settled(ctx)
		if err != nil {
			return nil, nil, err
		}
		if err := s.holds(ctx, step); err != nil {
			return nil, nil, err
		}
		added := float64(step-held) * 1000
		user, resident = append(user, (after.user-before.user)/added), append(resident, (after.resident-before.resident)/added)
		held, before = step, after
		if err := holders.next(); err != nil {
			return nil, nil, err
		}
	}
	return user, resident, nil
}

// nodes measures the same with several nodes at once, each with its own users, from none to all.
func (b *bench) nodes(ctx context.Context) (err error) {
	var scenes []scene
	var crews []*crew
	var before []memory

	defer func() {
		for _, c := range crews {
			_ = c.stop()
		}
		for _, s := range scenes {
			_ = s.Stop()
		}
	}()

	// All nodes are measured empty before the first has a session.
	for i := range b.sizes.nodes {
		s, err := b.stageOf(ctx, b.program, fmt.Sprintf("node-%d", i), b.sizes.each, idleMembers)
		if err != nil {
			return err
		}
		scenes = append(scenes, s)
		m, err := s.settled(ctx)
		if err != nil {
			return err
		}
		before = append(before, m)
	}

	// All connect at the same time.
	start := time.Now()
	for i, s := range scenes {
		c, err := hold(ctx, holdJob{Addr: s.Addr, Users: s.users, Steps: []int{b.sizes.each}}, i)
		if err != nil {
			return err
		}
		crews = append(crews, c)
	}
	for _, c := range crews {
		if err := c.arrived(); err != nil {
			return err
		}
	}
	connected := time.Since(start).Seconds()

	var user, resident []float64
	sockets := float64(b.sizes.each)
	for i, s := range scenes {
		m, err := s.settled(ctx)
		if err != nil {
			return err
		}
		user = append(user, (m.user-before[i].user)/sockets/1000)
		resident = append(resident, (m.resident-before[i].resident)/sockets/1000)
	}
	for _, s := range scenes { // that all were open until the last measurement
		if err := s.holds(ctx, b.sizes.each); err != nil {
			return err
		}
	}

	total := b.sizes.nodes * b.sizes.each
	of := fmt.Sprintf("idle session of %d in %d nodes", total, b.sizes.nodes)
	b.add(figure("nodes", of+", heap and stacks", "KB", user).aims(valueAtMost(1.5)),
		figure("nodes", of+", resident", "KB", resident).
			against("kernel memory of a TCP endpoint, which comes on top", []float64{kernelFloor}),
		figure("nodes", "connects meanwhile, all nodes and holders on this machine", "/s", []float64{float64(total) / connected}))
	return nil
}

// holds is an error when the node has not so many sessions.
func (n *node) holds(ctx context.Context, sessions int) error {
	counted, err := n.metric(ctx, "carillon_realtime_sessions")
	if err == nil && int(counted) != sessions {
		err = fmt.Errorf("the node has %.0f sessions instead of %d", counted, sessions)
	}
	return err
}

// settled measures memory when it has stopped falling: stacks shrink with each collection.
func (n *node) settled(ctx context.Context) (m memory, err error) {
	for range 5 {
		before := m.user
		if m, err = n.memory(ctx); err != nil {
			return m, err
		}
		if before != 0 && m.user > before*0.99 {
			break
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return m, ctx.Err()
		}
	}
	return m, nil
}

// metric reads a metric of the node, with its labels if it has any.
func (n *node) metric(ctx context.Context, name string) (float64, error) {
	text, err := n.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	return metric(string(text), name)
}
