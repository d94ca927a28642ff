//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// The reference of push: one thread that writes each frame to each socket with one write(2), as
// a server without any coalescing does at its best. Saturated it does nothing else; paced, or one
// frame at a time, it first makes the frames that are asked for durable, those that came together
// with one fdatasync.

// pushJob is one round, for the role "push", which is the generator and starts the reference.
type pushJob struct {
	Sockets int
	Size    int // of a frame
	Seconds float64
	Rate    float64 // frames a second to every socket; 0 is as many as possible
	Single  bool    // or each when all have the one before
	Dir     string
}

// runPush is the role "push".
func runPush(ctx context.Context, job pushJob) (result loadResult, err error) {
	server, err := spawnRole(ctx, "pusher", job)
	if err != nil {
		return result, err
	}
	defer server.stop()

	var addr string
	if _, err := fmt.Fscanln(server.out, &addr); err != nil {
		return result, fmt.Errorf("pusher: %w: %s", err, server.errors.String())
	}

	// The sockets are accepted first, and the connection that controls the reference last.
	p := &push{pushJob: job, sent: make([]int64, int(job.Rate*job.Seconds)+1), epoch: time.Now()}
	if p.audience, err = newAudience(job.Sockets, p.latencyOf, nil); err != nil {
		return result, err
	}
	defer p.audience.Close()
	err = p.audience.gather(0, job.Sockets, false, func(int) (*rig.Socket, error) {
		conn, err := net.Dial("tcp", addr)
		return rig.NewSocket(conn), err
	})
	if err != nil {
		return result, err
	}
	if p.control, err = net.Dial("tcp", addr); err != nil {
		return result, err
	}
	defer p.control.Close()

	began := time.Now()
	err = p.drive(ctx)
	result.Seconds = time.Since(began).Seconds()
	p.audience.sum(&result)
	return result, err
}

// push is the generator of the reference.
type push struct {
	pushJob
	epoch    time.Time
	sent     []int64 // when a frame was asked for, in nanoseconds after epoch
	audience *audience
	control  net.Conn
}

func (p *push) drive(ctx context.Context) error {

	duration := time.Duration(p.Seconds * float64(time.Second))
	frames, sockets := int64(0), int64(p.Sockets)
	switch {
	case p.Single:
		for start := time.Now(); time.Since(start) < duration; {
			if err := p.ask(0); err != nil {
				return err
			}
			frames++
			if err := p.audience.await(ctx, frames*sockets); err != nil {
				return err
			}
		}
		return nil
	case p.Rate == 0:
		var all [8]byte
		if _, err := io.ReadFull(p.control, all[:]); err != nil {
			return err
		}
		return p.audience.await(ctx, int64(binary.BigEndian.Uint64(all[:])))
	}

	// Paced frames keep when each was asked for, from which the latency is counted.
	err := rig.Pace(ctx, p.Rate, duration, len(p.sent), func(i int, _ time.Time) error {
		atomic.StoreInt64(&p.sent[i], int64(time.Since(p.epoch)))
		frames++
		return p.ask(i)
	})
	if err == nil {
		err = p.audience.await(ctx, frames*sockets)
	}
	return err
}

// ask asks for a frame.
func (p *push) ask(i int) error {
	_, err := p.control.Write(binary.BigEndian.AppendUint64(nil, uint64(i)))
	return err
}

func (p *push) latencyOf(frame []byte) (int64, bool) {
	i := rig.MarkedBy(frame)
	if p.Rate == 0 || i < 0 || i >= int64(len(p.sent)) {
		return 0, false
	}
	return (int64(time.Since(p.epoch)) - atomic.LoadInt64(&p.sent[i])) / 1000, true
}

// runPusher is the role "pusher": the reference itself. It says where it listens, takes its
// sockets and then a connection that controls it.
func runPusher(job pushJob) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Println(listener.Addr())

	// Blocking descriptors of the sockets: the thread writes without the runtime's poller.
	fds := make([]int, job.Sockets+1)
	for i := range fds {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		file, err := conn.(*net.TCPConn).File()
		if err != nil {
			return err
		}
		defer file.Close()
		fds[i] = int(file.Fd()) // which makes it block
		_ = conn.Close()        // the file has a descriptor of its own
	}

	runtime.LockOSThread()
	sockets, control := fds[:job.Sockets], fds[job.Sockets]
	if job.Rate == 0 && !job.Single {
		return pushSaturated(job, sockets, control)
	}
	return pushPaced(job, sockets, control)
}

func pushAll(sockets []int, frame []byte) error {
	for _, fd := range sockets {
		for rest := frame; len(rest) > 0; {
			n, err := syscall.Write(fd, rest)
			if err != nil && err != syscall.EINTR {
				return fmt.Errorf("write: %w", err)
			}
			rest = rest[max(0, n):]
		}
	}
	return nil
}

func pushSaturated(job pushJob, sockets []int, control int) error {
	frame := rig.TextFrame(job.Size, rig.Marker(0))
	frames := uint64(0)
	duration := time.Duration(job.Seconds * float64(time.Second))
	for start := time.Now(); time.Since(start) < duration; frames += uint64(len(sockets)) {
		if err := pushAll(sockets, frame); err != nil {
			return err
		}
	}
	_, err := syscall.Write(control, binary.BigEndian.AppendUint64(nil, frames))
	return err
}

func pushPaced(job pushJob, sockets []int, control int) error {
	log, err := preallocated(filepath.Join(job.Dir, "push.log"), 16<<20)
	if err != nil {
		return err
	}
	defer log.Close()

	asked := make([]byte, 64<<10)
	for fill, at := 0, int64(0); ; {
		n, err := syscall.Read(control, asked[fill:])
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return err // or the round is over
		}

		// What came together is made durable together.
		fill += n
		whole := fill / 8 * 8
		for i := 0; i < whole; i += 8 {
			frame := rig.TextFrame(job.Size, rig.Marker(int64(binary.BigEndian.Uint64(asked[i:]))))
			if _, err := log.WriteAt(frame, at%(16<<20)); err != nil {
				return err
			}
			at += int64(job.Size)
		}
		if err := syscall.Fdatasync(int(log.Fd())); err != nil {
			return err
		}

		// Only then is it pushed.
		for i := 0; i < whole; i += 8 {
			frame := rig.TextFrame(job.Size, rig.Marker(int64(binary.BigEndian.Uint64(asked[i:]))))
			if err := pushAll(sockets, frame); err != nil {
				return err
			}
		}
		fill = copy(asked, asked[whole:fill])
	}
}

// preallocated is a file whose blocks are written already, so that syncing it changes no
// metadata. It is gone from its folder at once.
func preallocated(path string, size int64) (*os.File, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	_ = os.Remove(path)
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros, at); err != nil {
			file.Close()
			return nil, err
		}
	}
	return file, file.Sync()
}
