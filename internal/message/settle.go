package message

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// callbackTime is how long after its invocation a processor may call back, in store time.
const callbackTime = 48 * time.Hour

// The refusals of callbacks (spec 7.4).
var (
	errNoChannel     error = api.Forbidden("ChannelArn does not name a channel that exists")
	errNoCallback    error = api.Forbidden("CallbackId is not that of a message which waits for its channel flow")
	errOtherCallback error = api.Conflict("CallbackId was called back with other parameters")
	answerHashLen          = 16 // of SHA-256: 128 bits never collide by chance
)

// Settle takes the answer of a processor, in a channel of the site: the message goes on to the next
// processor of its flow, or has its outcome. The same answer again changes nothing, and nothing is changed
// where the message is gone; other parameters are a ConflictException, and a CallbackId that is unknown,
// too old, or of another channel or message is a ForbiddenException. The caller has checked the limits of
// what the processor wrote.
func (s *Service) Settle(ctx context.Context, at chime.Resource, req *messaging.ChannelFlowCallbackRequest) error {
	answer, err := hashAnswer(req)
	if err != nil {
		return err
	}
	if taken, err := s.settleLive(ctx, at, req, answer); taken || err != nil {
		return err
	}

	var next Waiting
	err = s.store.Update(ctx, at.App, func(tx store.Tx) error {
		next = Waiting{}
		callback, err := s.callback(tx, at, req)
		if err != nil {
			return err
		}
		if callback.Answer != nil {
			return sameAnswer(callback.Answer, answer)
		}
		callback.Answer = answer
		if err := store.Callbacks.Put(tx, store.K(at.App, req.CallbackID), callback); err != nil {
			return err
		}

		p, waits, err := findProcessing(tx, at.App, callback.Channel, callback.Message, req.CallbackID)
		if err != nil || !waits {
			return err
		}
		next, err = s.proceed(tx, at.App, &p, s.answer(&p, req))
		return err
	})
	if err == nil && next.Callback != "" {
		s.processors.Invoke(next)
	}
	return err
}

// callback finds the callback that a request names.
func (s *Service) callback(r store.Reader, at chime.Resource, req *messaging.ChannelFlowCallbackRequest) (c chime.Callback, err error) {
	channel, err := channelOf(r, at)
	if err != nil {
		return c, err
	}
	c, found, err := store.Callbacks.Get(r, store.K(at.App, req.CallbackID))
	if err != nil {
		return c, err
	}
	if !found || c.Channel.UID != channel.UID || !names(req.ChannelMessage, c.Message, c.Channel.Sub) || req.CallbackID < s.oldestCallback() {
		return c, errNoCallback
	}
	return c, nil
}

// oldestCallback sorts before every CallbackId that may still be used.
func (s *Service) oldestCallback() string {
	return chime.FirstCallbackID(s.storeTime.Now() - callbackTime)
}

// channelOf finds a channel that has to be there.
func channelOf(r store.Reader, at chime.Resource) (c chime.Channel, err error) {
	found, err := store.AppInstances.Has(r, store.K(at.App))
	if err == nil && found {
		c, found, err = store.Channels.Get(r, store.K(at.App, at.ID))
	}
	if err == nil && !found {
		err = errNoChannel
	}
	return c, err
}

// names reports whether a callback is about the message, as far as it says.
func names(m *messaging.ChannelMessageCallback, id, sub string) bool {
	return m.MessageID == id && (m.SubChannelID == nil || *m.SubChannelID == sub)
}

// hashAnswer is what is kept of a callback to recognise it.
func hashAnswer(req *messaging.ChannelFlowCallbackRequest) ([]byte, error) {
	text, err := json.Marshal(req)
	sum := sha256.Sum256(text)
	return sum[:answerHashLen], err
}

func sameAnswer(a, b []byte) error {
	if !bytes.Equal(a, b) {
		return errOtherCallback
	}
	return nil
}

// findProcessing reads a message that waits under the CallbackId; waits is false when it does not, because
// it was removed or the processor was given up.
func findProcessing(r store.Reader, app string, at chime.ChannelEntry, id, callback string) (p chime.Processing, waits bool, err error) {
	p, found, err := store.Processings.Get(r, processingKey(app, at, id))
	return p, found && p.Callback == callback, err
}

// result is how far a message got with one step.
type result struct {
	status   messaging.ChannelMessageStatus // PENDING: it is the turn of the next processor
	detail   string
	failures []failure
}

// answer applies the answer of the processor whose turn it is.
func (s *Service) answer(p *chime.Processing, req *messaging.ChannelFlowCallbackRequest) result {
	if req.DeleteResource {
		return result{status: messaging.ChannelMessageStatusDenied, detail: detailDenied}
	}
	replace(&p.Message, req.ChannelMessage)
	return s.pass(p)
}

// replace applies the members that a processor gave.
func replace(m *chime.Message, by *messaging.ChannelMessageCallback) {
	if by.Content != nil {
		m.Content = *by.Content
	}
	if by.Metadata != nil {
		m.Metadata = *by.Metadata
	}
	if by.ContentType != nil {
		m.ContentType = *by.ContentType
	}
	if by.MessageAttributes != nil {
		m.Attributes = keptAttributes(by.MessageAttributes)
	}
	if by.PushNotification != nil {
		m.Push = keptPush(by.PushNotification)
	}
}

// fallBack takes the fallback action of the processor whose turn it is, which could not be invoked.
func (s *Service) fallBack(p *chime.Processing, reason string) (r result) {
	lambda := p.Processor().Lambda
	if p.Processor().FallbackAction == messaging.FallbackActionAbort {
		r = result{status: messaging.ChannelMessageStatusFailed, detail: detailFailed}
	} else {
		r = s.pass(p)
	}
	r.failures = append([]failure{{lambda, reason}}, r.failures...)
	return r
}

// pass goes on to the next processor.
func (s *Service) pass(p *chime.Processing) (r result) {
	p.Step++
	if r.status, r.failures = s.reach(p); r.status == messaging.ChannelMessageStatusFailed {
		r.detail = detailFailed
	}
	return r
}

// proceed keeps what a step resulted in. next is the invocation that follows, if there is one.
func (s *Service) proceed(tx store.Tx, app string, p *chime.Processing, r result) (next Waiting, err error) {
	if err := s.report(tx, app, p, r.failures); err != nil {
		return next, err
	}
	if r.status != messaging.ChannelMessageStatusPending {
		return next, s.conclude(tx, app, p, r)
	}
	if p.Callback, err = chime.NewCallbackID(s.random, s.storeTime.Now()); err != nil {
		return next, err
	}
	p.Invoked = false
	return waiting(app, p), s.await(tx, app, p)
}

// Find reads a message that waits for its processor to be invoked, and its sender; waits is false when it
// does not any more.
func (s *Service) Find(ctx context.Context, w Waiting) (p chime.Processing, sender *messaging.Identity, waits bool, err error) {
	err = s.store.View(ctx, w.App, func(r store.Reader) (err error) {
		if w.Live {
			p, waits = s.passing.find(w.App, w.Message)
			waits = waits && p.Callback == w.Callback
		} else {
			p, waits, err = findProcessing(r, w.App, w.Channel, w.Message, w.Callback)
		}
		if err != nil || !waits {
			return err
		}
		sender, waits, err = s.senderOf(r, w.App, &p)
		return err
	})
	return p, sender, waits, err
}

// Invoked notes that a processor was invoked and will call back, so that it is not invoked again.
func (s *Service) Invoked(ctx context.Context, w Waiting) error {
	if w.Live {
		return nil
	}
	return s.store.Update(ctx, w.App, func(tx store.Tx) error {
		p, waits, err := findProcessing(tx, w.App, w.Channel, w.Message, w.Callback)
		if err != nil || !waits {
			return err
		}
		p.Invoked = true
		return store.Processings.Put(tx, w.key(), p)
	})
}

// GiveUp takes the fallback action of a processor that could not be invoked, unless it has called back, and
// notifies the operator of the reason. Its CallbackId is an unknown one from now on.
func (s *Service) GiveUp(ctx context.Context, w Waiting, reason string) error {
	if w.Live {
		return s.giveUpLive(ctx, w, reason)
	}
	var next Waiting
	err := s.store.Update(ctx, w.App, func(tx store.Tx) error {
		next = Waiting{}
		p, waits, err := findProcessing(tx, w.App, w.Channel, w.Message, w.Callback)
		if err != nil || !waits {
			return err
		}
		if err := store.Callbacks.Delete(tx, store.K(w.App, w.Callback)); err != nil {
			return err
		}
		next, err = s.proceed(tx, w.App, &p, s.fallBack(&p, reason))
		return err
	})
	if err == nil && next.Callback != "" {
		s.processors.Invoke(next)
	}
	return err
}

// EachWaiting calls f for each stored message whose processor has still to be invoked, in the order of each
// channel, until f returns false. With an age it leaves out those that wait for less, in store time.
func (s *Service) EachWaiting(ctx context.Context, age time.Duration, f func(Waiting) bool) error {
	first := chime.FirstCallbackID(s.storeTime.Now() - age)
	return s.store.View(ctx, "", func(r store.Reader) error {
		return store.Processings.Each(r, store.Range{}, func(key store.Key, p chime.Processing) (bool, error) {
			app, err := key.App()
			if err != nil || p.Invoked || age > 0 && p.Callback >= first {
				return true, err
			}
			return f(waiting(app, &p)), nil
		})
	})
}
