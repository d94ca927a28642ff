//go:build linux

package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
)

// holdJob is a number of sockets that stay idle, for the role "hold".
type holdJob struct {
	Addr   string
	Users  []string // a socket for each
	CAFile string   // empty for plaintext
	Steps  []int    // how many sockets there are after each step
}

// runHold connects up to each step, says so with a line, and waits for a line before the next.
func runHold(job holdJob, in io.Reader) error {
	var secure *tls.Config
	if job.CAFile != "" {
		pem, err := os.ReadFile(job.CAFile)
		if err != nil {
			return err
		}
		secure = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", MinVersion: tls.VersionTLS13}
		if !secure.RootCAs.AppendCertsFromPEM(pem) {
			return errors.New("the CA's file has no certificate")
		}
	}
	lines := bufio.NewReader(in)
	held := make([]*socket, 0, len(job.Users))
	defer func() {
		for _, s := range held {
			s.Close()
		}
	}()
	for _, step := range job.Steps {
		from := len(held)
		held = held[:step]
		err := parallel(setupCallers, step-from, func(i int) (err error) {
			held[from+i], err = connect(job.Addr, job.Users[from+i], secure, 4<<10)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println(step)
		if _, err := lines.ReadString('\n'); err != nil {
			return nil // nobody waits any more
		}
	}
	return nil
}
