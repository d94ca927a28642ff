package bot

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// An answer of a Writer is sent as one message as soon as there is some of it, which is edited as more comes
// and once more when it is complete. The record of the turn knows the message, so that after a crash the
// end is asked again and the same message is written anew: there is one reply, whatever happens. Where
// edits are not for it, because the reply is not persistent or passes a channel flow, it is sent whole.

// The states of an answer, as the Metadata of its message says them. A complete one says nothing.
const (
	metadataWriting  = `{"carillon":{"answer":"writing"}}`
	metadataBroken   = `{"carillon":{"answer":"broken"}}`
	metadataComplete = ""
)

// ellipsis ends an answer that has no room in a message.
const ellipsis = "…"

// errFull ends the writing of an answer that has no more room.
var errFull = errors.New("the message is full")

// draft is the text of an answer while it comes.
type draft struct {
	mu    sync.Mutex
	text  strings.Builder
	more  chan struct{} // holds one token when text was added
	close func(error)   // ends the writing
}

func newDraft(stop func(error)) *draft { return &draft{more: make(chan struct{}, 1), close: stop} }

// add appends a piece.
func (d *draft) add(piece string) {
	if piece == "" {
		return
	}
	d.mu.Lock()
	d.text.WriteString(piece)
	full := d.text.Len() > chime.MaxContent
	d.mu.Unlock()
	if full {
		d.close(errFull)
	}
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// shown is the text as far as a message has room.
func (d *draft) shown() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := strings.ToValidUTF8(d.text.String(), "") // a piece may end within a letter
	if len(text) <= chime.MaxContent {
		return text
	}
	n := chime.MaxContent - len(ellipsis)
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + ellipsis
}

// write answers a message with what a Writer writes.
func (s *Service) write(ctx context.Context, t *turn, sc *scene, w Writer) {
	p := &page{s: s, t: t, sc: sc, whole: t.key == nil || sc.said.persistence != messaging.ChannelMessagePersistenceTypePersistent || sc.flow}
	failure := s.try(ctx, w, func() error { return p.attempt(ctx, w) })
	switch {
	case ctx.Err() != nil:
	case p.refused:
		s.drop(ctx, t)
	case failure != nil:
		p.breakOff(ctx)
		s.failed(ctx, t, sc, failure)
	default:
		p.complete(ctx)
	}
}

// page is the message that an answer is written into.
type page struct {
	s       *Service
	t       *turn
	sc      *scene
	whole   bool   // it is sent when it is complete
	text    string // of the latest attempt
	shown   string // that members see
	refused bool   // the bot may not write it any more
	edited  time.Time
}

// attempt asks the Writer once and shows what comes.
func (p *page) attempt(ctx context.Context, w Writer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	d := newDraft(stop)
	written := make(chan error, 1)
	go func() { written <- w.Write(ctx, p.s.question(p.t, p.sc), d.add) }()

	for {
		select {
		case err := <-written:
			p.text = d.shown()
			switch {
			case p.refused || errors.Is(context.Cause(ctx), errFull):
				return nil
			case err == nil && strings.TrimSpace(p.text) == "":
				return &Failure{Code: http.StatusBadGateway, Reason: "the answer is empty"}
			}
			return err
		case <-d.more:
		}
		if p.whole || p.refused {
			continue
		}

		// The next edit shows all that came until its time.
		if wait := p.s.o.EditEvery - time.Since(p.edited); wait > 0 && p.t.Reply != "" {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case err := <-written:
				written <- err
			}
			timer.Stop()
			if len(written) > 0 { // the last edit has it all
				continue
			}
		}
		if text := d.shown(); len(text) > len(p.shown) && strings.TrimSpace(text) != "" { // else another attempt has not come as far
			if p.show(ctx, text); p.refused {
				stop(errDone)
			}
		}
	}
}

// show sends the message, or edits it.
func (p *page) show(ctx context.Context, text string) {
	var err error
	done := p.s.insist(ctx, func() error {
		if p.t.Reply == "" {
			err = p.begin(ctx, text)
		} else {
			err = p.edit(ctx, text, metadataWriting, func(tx store.Tx, _ string) error { return p.t.require(tx) })
		}
		return err
	})
	switch {
	case done:
		p.shown, p.edited = text, time.Now()
	case ctx.Err() == nil && !conflicts(err): // an edit that is in a flow leaves the next one to come
		p.refused = true
	}
}

// begin sends the message, which the record of the turn knows from then on.
func (p *page) begin(ctx context.Context, text string) error {
	req := p.s.message(p.sc, messaging.ChannelMessageTypeStandard, "", text)
	metadata := metadataWriting
	req.Metadata = &metadata
	id, err := p.s.o.Messages.SendWith(ctx, req, func(tx store.Tx, id string) error {
		if err := p.t.require(tx); err != nil {
			return err
		}
		record := p.t.BotTurn
		record.Reply = id
		return store.BotTurns.Put(tx, p.t.key, record)
	})
	if err == nil {
		p.t.Reply = id
	}
	return err
}

func (p *page) edit(ctx context.Context, text, metadata string, with func(store.Tx, string) error) error {
	_, err := p.s.o.Messages.UpdateWith(ctx, &messaging.UpdateChannelMessageRequest{
		ChannelARN: p.sc.session.ChannelARN, MessageID: p.t.Reply, ChimeBearer: p.sc.bearer, SubChannelID: p.sc.sub, Content: text, Metadata: &metadata,
	}, with)
	return err
}

// complete shows the whole answer and ends the turn.
func (p *page) complete(ctx context.Context) {
	if p.t.Reply == "" {
		p.s.end(ctx, p.t, p.s.message(p.sc, messaging.ChannelMessageTypeStandard, "", p.text), nil)
		return
	}

	// An edit that is still in a channel flow, which the channel was given meanwhile, holds up this one.
	for attempt := 0; ctx.Err() == nil; attempt++ {
		var err error
		done := p.s.insist(ctx, func() error {
			err = p.edit(ctx, p.text, metadataComplete, func(tx store.Tx, _ string) error { return p.t.finish(tx, nil) })
			return err
		})
		if done {
			p.s.counts.answered.Add(1)
			return
		}
		if !conflicts(err) || attempt == len(waits) {
			break
		}
		follow.Sleep(ctx, waits[attempt])
	}
	if ctx.Err() == nil {
		p.s.drop(ctx, p.t)
	}
}

// breakOff leaves what there is of an answer, and says that there comes no more.
func (p *page) breakOff(ctx context.Context) {
	if p.t.Reply == "" {
		return
	}
	text := p.shown
	if len(p.text) > len(text) {
		text = p.text
	}
	p.s.insist(ctx, func() error {
		if text == "" { // it was shown before a restart
			resp, err := p.s.o.Messages.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{
				ChannelARN: p.sc.session.ChannelARN, MessageID: p.t.Reply, ChimeBearer: p.sc.bearer, SubChannelID: p.sc.sub,
			})
			if err != nil {
				return err
			}
			if resp.ChannelMessage.Content == nil {
				return nil
			}
			text = *resp.ChannelMessage.Content
		}
		return p.edit(ctx, text, metadataBroken, func(tx store.Tx, _ string) error { return p.t.require(tx) })
	})
}

// conflicts reports whether a call was refused as a conflict with another.
func conflicts(err error) bool {
	refusal := new(api.Error)
	return errors.As(err, &refusal) && refusal.Status == http.StatusConflict
}
