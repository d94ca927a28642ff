package channel_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// crowdOf are users u0, u1 and so on, of which the channel "c" of ann, an elastic one, has no members yet. Every
// transaction fails once fails returns true.
func crowdOf(t *testing.T, users int, fails func() bool) *servicetest.World {
	st := memstore.New()
	t.Cleanup(func() { st.Close() })
	w := servicetest.Over(t, faulty.New(st, func(c faulty.Call) error {
		if c.Op == faulty.Update && fails() {
			return errors.New("the process has ended")
		}
		return nil
	}), "ann")
	for i := range users {
		w.AddUser(fmt.Sprint("u", i))
	}
	w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Jobs: w.Jobs, Piece: 10})
	w.AddChannel("ann", "c", servicetest.Elastic(2, 40, 40))
	return w
}

func batchOf(w *servicetest.World, arns ...string) (members, refused []string, err error) {
	resp, err := w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), MemberARNs: arns, ChimeBearer: w.User("ann")})
	if err != nil {
		return nil, nil, err
	}
	for _, m := range resp.BatchChannelMemberships.Members {
		members = append(members, m.Name)
	}
	for _, e := range resp.Errors {
		refused = append(refused, string(e.ErrorCode)+" "+e.MemberARN)
	}
	return members, refused, nil
}

func usersFrom(w *servicetest.World, first, n int) (arns, names []string) {
	for i := first; i < first+n; i++ {
		arns, names = append(arns, w.User(fmt.Sprint("u", i))), append(names, fmt.Sprint("U", i))
	}
	return arns, names
}

// TestBatchInPieces: a batch of an elastic channel that takes several transactions is answered as one, in
// the order of the request.
func TestBatchInPieces(t *testing.T) {
	w := crowdOf(t, 100, func() bool { return false })
	w.AddMember("ann", "c", "u30", dflt)
	arns, names := usersFrom(w, 0, 45)
	arns[25] = arns[3]
	arns[41] = w.User("nobody")
	names = slices.Delete(names, 41, 42)
	names = slices.Delete(names, 25, 26)

	members, refused, err := batchOf(w, arns...)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "members", members, names)
	expect(t, "refused", refused, []string{"Forbidden " + w.User("nobody")})

	arns, names = usersFrom(w, 50, 50)
	members, refused, err = batchOf(w, arns...)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "members until it is full", members, names[:37])
	if len(refused) != 13 {
		t.Errorf("%d refused: %v", len(refused), refused)
	}
}

// TestBatchWithAMalformedMember: the batch changes nothing, wherever the malformed ARN is.
func TestBatchWithAMalformedMember(t *testing.T) {
	w := crowdOf(t, 30, func() bool { return false })
	arns, _ := usersFrom(w, 0, 30)
	if _, _, err := batchOf(w, append(arns, "arn:nothing")...); err == nil {
		t.Error("it is answered as a success")
	}
	expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:0"})
}

// TestBatchIsRepeated: after a failure half way, the call that is repeated answers all as members.
func TestBatchIsRepeated(t *testing.T) {
	for failing := range 6 {
		left, cutting := failing, false
		w := crowdOf(t, 60, func() bool { left--; return cutting && left < 0 })
		arns, names := usersFrom(w, 0, 60)
		left, cutting = failing, true
		if _, _, err := batchOf(w, arns...); err == nil {
			t.Fatal("no transaction failed")
		}
		cutting = false
		if err := w.Jobs.TryAll(ctx); err != nil {
			t.Fatal(err)
		}
		members, refused, err := batchOf(w, arns...)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "members", members, names)
		expect(t, "refused", refused, nil)
	}
}
