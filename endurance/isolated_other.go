//go:build !linux

package main

import (
	"context"
	"errors"
)

func isolated(context.Context, *cuts) (ran bool, err error) {
	return false, errors.New("this system is not Linux")
}
