package message

import (
	"context"
	"errors"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/store"
)

// Messages that are not persistent pass flows in memory alone: they are written nowhere, and a node that
// stops forgets them, as it ends the sessions of those that could have seen them.

// liveFlows are the messages that are not persistent in flows.
type liveFlows struct {
	mu       lockorder.Mutex[lockorder.Leaf]
	messages map[liveKey]*chime.Processing // that wait
	answered map[liveKey]liveAnswer        // by CallbackId
}

// liveKey is the id of a message, or a CallbackId, in an app instance.
type liveKey struct{ app, id string }

// liveAnswer is a callback that was taken.
type liveAnswer struct {
	chime.Callback
	at time.Duration // store time
}

// Bounds of liveFlows.
const (
	maxLive     = 10_000           // messages that wait
	liveAnswers = 10 * time.Minute // that an answer is known
)

func newLiveFlows() liveFlows {
	return liveFlows{messages: map[liveKey]*chime.Processing{}, answered: map[liveKey]liveAnswer{}}
}

func (l *liveFlows) hasRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.messages) < maxLive
}

func (l *liveFlows) add(app string, p *chime.Processing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages[liveKey{app, p.Message.ID}] = p
}

// find returns the message that waits under the id.
func (l *liveFlows) find(app, id string) (p chime.Processing, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if kept := l.messages[liveKey{app, id}]; kept != nil {
		return *kept, true
	}
	return p, false
}

// claim takes a message that waits under the CallbackId out, for a caller that gives it its next step, and
// notes the answer, if there is one.
func (l *liveFlows) claim(app, id, callback string, answer []byte, at time.Duration) (p chime.Processing, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.messages[liveKey{app, id}]
	if kept == nil || kept.Callback != callback {
		return p, false
	}
	delete(l.messages, liveKey{app, id})
	if answer != nil {
		l.answered[liveKey{app, callback}] = liveAnswer{chime.Callback{Channel: kept.Channel, Message: id, Answer: answer}, at}
	}
	return *kept, true
}

// putBack undoes claim.
func (l *liveFlows) putBack(app string, p *chime.Processing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.answered, liveKey{app, p.Callback})
	l.messages[liveKey{app, p.Message.ID}] = p
}

// answerTo returns the callback that was taken under a CallbackId.
func (l *liveFlows) answerTo(app, callback string) (a liveAnswer, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, found = l.answered[liveKey{app, callback}]
	return a, found
}

// settleLive is Settle for messages that are not persistent; taken is false when the CallbackId is of none.
func (s *Service) settleLive(ctx context.Context, at chime.Resource, req *messaging.ChannelFlowCallbackRequest, answer []byte) (taken bool, err error) {
	if a, found := s.passing.answerTo(at.App, req.CallbackID); found {
		if a.Channel.ChannelID != at.ID || !names(req.ChannelMessage, a.Message, a.Channel.Sub) {
			return true, errNoCallback
		}
		return true, sameAnswer(a.Answer, answer)
	}
	p, found := s.passing.find(at.App, req.ChannelMessage.MessageID)
	if !found || p.Callback != req.CallbackID || p.Channel.ChannelID != at.ID || !names(req.ChannelMessage, p.Message.ID, p.Channel.Sub) {
		return false, nil
	}

	// Of two callbacks at once one takes the message, and the other finds the answer.
	if p, found = s.passing.claim(at.App, p.Message.ID, req.CallbackID, answer, s.storeTime.Now()); !found {
		return s.settleLive(ctx, at, req, answer)
	}
	before := p
	err = s.proceedLive(ctx, at.App, &p, s.answer(&p, req))
	if err != nil && !errors.Is(err, errNoChannel) {
		s.passing.putBack(at.App, &before)
	}
	return true, err
}

// giveUpLive is GiveUp for a message that is not persistent.
func (s *Service) giveUpLive(ctx context.Context, w Waiting, reason string) error {
	p, found := s.passing.claim(w.App, w.Message, w.Callback, nil, 0)
	if !found {
		return nil
	}
	before := p
	err := s.proceedLive(ctx, w.App, &p, s.fallBack(&p, reason))
	if err == nil || errors.Is(err, errNoChannel) {
		return nil
	}
	s.passing.putBack(w.App, &before)
	return err
}

// proceedLive takes a message that is not persistent to its next processor, or announces its outcome.
func (s *Service) proceedLive(ctx context.Context, app string, p *chime.Processing, r result) (err error) {
	if err := s.reportLive(ctx, app, p, r.failures); err != nil {
		return err
	}
	if r.status == messaging.ChannelMessageStatusPending {
		if p.Callback, err = chime.NewCallbackID(s.random, s.storeTime.Now()); err != nil {
			return err
		}
		s.passing.add(app, p)
		s.processors.Invoke(waiting(app, p))
		return nil
	}

	var e chime.Event
	var after uint64
	found := false
	err = s.store.View(ctx, app, func(rd store.Reader) (err error) {
		v, there, err := s.unattended(rd, app, p.Channel)
		if found = there; err != nil || !found {
			return err
		}
		p.Message.Status, p.Message.Detail = r.status, r.detail
		if e, err = s.outcome(rd, v, creation.of(r.status), &p.Message); err != nil {
			return err
		}
		after, err = rd.Position()
		return err
	})
	if err != nil {
		return err
	}
	if !found {
		return errNoChannel
	}
	e.Ephemeral = true
	s.bus.Publish(app, after, e)
	s.notifyOf([]chime.Event{e}, &p.Message)
	return nil
}

// reportLive is report for a message that is not persistent, unless its channel is gone.
func (s *Service) reportLive(ctx context.Context, app string, p *chime.Processing, failures []failure) error {
	if len(failures) == 0 {
		return nil
	}
	return s.store.Update(ctx, app, func(tx store.Tx) error {
		_, found, err := s.unattended(tx, app, p.Channel)
		if err != nil || !found {
			return err
		}
		return s.report(tx, app, p, failures)
	})
}

// expireLive is Expire for messages that are not persistent.
func (s *Service) expireLive(ctx context.Context) error {
	var faults []error
	for k, p := range s.passing.expire(s.oldestCallback(), s.storeTime.Now()) {
		before := p
		if err := s.proceedLive(ctx, k.app, &p, expired); err != nil && !errors.Is(err, errNoChannel) {
			s.passing.putBack(k.app, &before)
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// expire takes out the messages whose CallbackId sorts before oldest, and forgets answers that are old.
func (l *liveFlows) expire(oldest string, now time.Duration) map[liveKey]chime.Processing {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, a := range l.answered {
		if now-a.at >= liveAnswers {
			delete(l.answered, k)
		}
	}
	late := map[liveKey]chime.Processing{}
	for k, p := range l.messages {
		if p.Callback < oldest {
			late[k] = *p
			delete(l.messages, k)
		}
	}
	return late
}
