package faultnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mirrorMTU is small, so that what is sent at once takes several packets.
const mirrorMTU = 576

// Mirror is a network interface that sends each IPv4 packet back with source and destination
// exchanged: a connection from MirrorNear to MirrorFar goes through it both ways and ends at
// MirrorNear. On the way packets are lost, doubled and reordered. The kernel's own TCP is at
// both ends.
type Mirror struct {
	device *os.File
	storm  atomic.Pointer[Storm]
	random *rand.Rand
	reader sync.WaitGroup

	mu      sync.Mutex
	waiting sync.WaitGroup // delayed packets
	packets MirrorStats
}

// Isolated lets the command start in a network of its own, where it may make a Mirror and where
// no other process is. It needs no privileges where the kernel lets users make namespaces; else the
// command does not start.
func Isolated(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// Loopback brings up the loopback of a process that was started Isolated.
func Loopback() error {
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(control)
	return set(control, "lo", unix.SIOCSIFFLAGS, up)
}

// NewMirror makes the interface. It is for a process that was started Isolated.
func NewMirror(seed uint64) (*Mirror, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	if err := configure(fd); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	m := &Mirror{device: os.NewFile(uintptr(fd), "mirror"), random: rand.New(rand.NewPCG(seed, 3))}
	m.storm.Store(&Storm{})
	m.reader.Go(m.run)
	return m, nil
}

// configure makes the interface of the opened device and gives it its address.
func configure(fd int) error {
	const name = "mirror0"
	if err := set(fd, name, unix.TUNSETIFF, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI); return nil }); err != nil {
		return fmt.Errorf("making a network interface: %w", err)
	}

	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(control)
	address := func(text string) func(*unix.Ifreq) error {
		return func(r *unix.Ifreq) error { return r.SetInet4Addr(net.ParseIP(text).To4()) }
	}

	// The flags come last: an interface that is up has its address and its size.
	for _, setting := range []struct {
		request uint
		value   func(*unix.Ifreq) error
	}{
		{unix.SIOCSIFADDR, address(MirrorNear)},
		{unix.SIOCSIFNETMASK, address("255.255.255.0")},
		{unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(mirrorMTU); return nil }},
		{unix.SIOCSIFFLAGS, up},
	} {
		if err := set(control, name, setting.request, setting.value); err != nil {
			return fmt.Errorf("setting up a network interface: %w", err)
		}
	}
	return nil
}

// up is the value of SIOCSIFFLAGS that lets an interface work.
func up(r *unix.Ifreq) error {
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return nil
}

// set makes a request about an interface.
func set(fd int, name string, request uint, value func(*unix.Ifreq) error) error {
	r, err := unix.NewIfreq(name)
	if err == nil {
		err = value(r)
	}
	if err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, request, r)
}

// SetStorm changes what happens to packets from now on.
func (m *Mirror) SetStorm(s Storm) { m.storm.Store(&s) }

// Stats returns the counts so far.
func (m *Mirror) Stats() MirrorStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.packets
}

// Close removes the interface.
func (m *Mirror) Close() error {
	err := m.device.Close()
	m.reader.Wait()
	m.waiting.Wait()
	return err
}

// ipv4Header is the length of a header without options; version is in the upper half of the
// first byte, the addresses are its last 8 bytes.
const ipv4Header = 20

func (m *Mirror) run() {
	for {
		packet := make([]byte, mirrorMTU)
		n, err := m.device.Read(packet)
		if err != nil {
			return // closed
		}
		if packet = packet[:n]; n < ipv4Header || packet[0]>>4 != 4 {
			continue
		}
		exchange(packet)
		m.carry(packet)
	}
}

// exchange swaps the addresses. The checksums of IP and TCP are sums that contain both, so they
// stay right.
func exchange(packet []byte) {
	var source [4]byte
	copy(source[:], packet[12:16])
	copy(packet[12:16], packet[16:20])
	copy(packet[16:20], source[:])
}

// carry sends a packet on, or not, or twice, each copy after a delay of its own.
func (m *Mirror) carry(packet []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	storm, copies := m.storm.Load(), 1
	switch at := m.random.Float64(); {
	case at < storm.Loss:
		m.packets.Lost++
		return
	case at < storm.Loss+storm.Double:
		m.packets.Doubled++
		copies = 2
	}
	m.packets.Carried++
	for range copies {
		if storm.Delay <= 0 {
			_, _ = m.device.Write(packet) // full or closed: lost, as in any network
			continue
		}
		m.packets.Delayed++
		m.waiting.Add(1)
		time.AfterFunc(time.Duration(m.random.Int64N(int64(storm.Delay))), func() {
			defer m.waiting.Done()
			_, _ = m.device.Write(packet)
		})
	}
}
