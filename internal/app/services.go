package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	carillonapi "github.com/carillon-chat/carillon/internal/api/carillon"
	cognitoapi "github.com/carillon-chat/carillon/internal/api/cognito"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	stsapi "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/cognito"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/dispatch"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/iam"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/person"
	"github.com/carillon-chat/carillon/internal/prefetch"
	"github.com/carillon-chat/carillon/internal/presence"
	"github.com/carillon-chat/carillon/internal/push"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/subscription"
	"github.com/carillon-chat/carillon/internal/sts"
	"github.com/carillon-chat/carillon/internal/throttle"
	"github.com/carillon-chat/carillon/internal/typing"
	"github.com/carillon-chat/carillon/internal/unread"
	"github.com/carillon-chat/carillon/internal/wsconn"
)

// services are the parts that answer operations and announce events.
type services struct {
	site      chime.Site
	keyring   *keyring.Keyring
	access    *access.Service
	account   *iam.Service
	sts       *sts.Service
	cognito   *cognito.Service
	identity  *identity.Service
	channels  *channels
	messages  *messages
	flows     *flows
	invoker   *flow.Runner // of the processors of flows
	bots      *bot.Service // nil without the setting bots
	exports   *exports
	webhooks  *webhooks
	push      *push.Service
	pushQueue *push.Queue
	webPush   []webApplication
	endpoint  *endpoints
	tags      tags
	hub       *realtime.Hub
	sockets   *wsconn.Server // of the public port, which the hub hands events to; nil until that is built
	log       *dispatch.Dispatcher
	cleaner   *retention.Cleaner
	expiry    *retention.Expiry
	details   *prefetch.Service
	jobs      *jobs.Queue
	presence  *presence.Service
	unread    *unread.Service
	follow    *follow.Runner
	limiter   *throttle.Limiter // nil without rates
	outbound  *outbound.Client
	persons   *persons
	written   []person.Sink // what streams write that can be rewritten
}

func (a *App) buildServices(ctx context.Context) (err error) {
	// What several services share.
	cfg, now, random := a.cfg, a.deps.Now, a.deps.Random
	site := chime.Site{Region: cfg.Region, Account: cfg.Account}
	clock, err := store.OpenClock(ctx, a.store)
	if err != nil {
		return err
	}
	tokens := idempotency.Tokens{Window: cfg.TokenWindow, Clock: clock}
	s := &services{site: site}

	// Keys and the gate come first: the other services act for callers that it let in.
	s.keyring, err = keyring.Open(ctx, keyring.Options{
		Store: a.store, RootSecret: cfg.RootSecretAccessKey.Reveal(), Previous: cfg.RootSecretAccessKeyPrevious.Reveal(),
		Clock: clock, Now: now, Random: random,
	})
	if err != nil {
		return err
	}
	s.access, err = access.New(access.Options{
		Store: a.store, Keyring: s.keyring, Site: site, RootAccessKeyID: cfg.RootAccessKeyID,
		RootSecretAccessKey: cfg.RootSecretAccessKey.Reveal(), Clock: clock, Now: now, Random: random, PresignGrace: cfg.PresignGrace,
		Confirmed: a.accountConfirmed(), PublicHosts: []string{a.publicHost}, Explain: cfg.Mode == config.Dev,
	})
	if err != nil {
		return err
	}
	s.account = iam.New(iam.Options{
		Store: a.store, Site: site, Keyring: s.keyring, Limits: iam.DefaultLimits(),
		Caller: accountCaller, Changed: s.forget, Now: now, Random: random,
	})
	if err := s.federate(a); err != nil {
		return err
	}
	if s.outbound, err = openOutbound(cfg); err != nil {
		return err
	}
	a.opened(func() error { s.outbound.Close(); return nil })

	// The services of the product.
	s.jobs = jobs.New(jobs.Options{Store: a.store, Nodes: a.nodes(), Log: a.deps.Log, Random: random, Now: now})
	s.channels = channel.New(channel.Options{
		Store: a.store, Site: site, Now: now, Random: random, Limits: channelLimits(cfg.Limits), Tokens: tokens, Jobs: s.jobs,
	})
	functions, err := a.functionEnds(s.outbound)
	if err != nil {
		return err
	}
	invocations := flow.NewQueue(functions.Find)
	questions, heard := a.hearing()
	s.pushQueue = push.NewQueue()
	sending := message.Options{
		Store: a.store, Site: site, Now: now, Random: random, Tokens: tokens, Bus: heard, Log: a.deps.Log,
		EmptyContent: cfg.EmptyContent, Processors: invocations, Clock: clock,
	}
	if len(cfg.Push) > 0 {
		sending.Notify = s.pushQueue.Notify
	}
	s.messages = message.New(sending)
	s.flows = flow.New(flow.Options{
		Store: a.store, Site: site, Now: now, Random: random, Limits: flowLimits(cfg.Limits), Tokens: tokens, Messages: s.messages,
	})
	if err := s.buildStreams(ctx, a); err != nil {
		return err
	}
	if err := s.buildAuditSink(a); err != nil {
		return err
	}
	if err := s.buildBots(a, questions); err != nil {
		return err
	}
	s.buildWebhooks(a, clock)
	s.invoker = flow.NewRunner(flow.RunnerOptions{Queue: invocations, Service: s.flows, Log: a.deps.Log, Random: random, Shared: a.node != nil})
	s.identity = identity.New(identity.Options{
		Store: a.store, Site: site, Now: now, Random: random, Tokens: tokens,
		Limits: identityLimits(cfg.Limits), Users: s.channels, Jobs: s.jobs,
	})
	s.tags = identity.NewMessagingTags(a.store, site)

	// What goes to sockets: the hub delivers, and reads what the services above have.
	s.endpoint = &realtime.Endpoints{Host: a.offer}
	counter := unread.NewCounter(s.channels, s.messages)
	if err := s.buildPush(ctx, a, counter); err != nil {
		return err
	}
	s.details = prefetch.New(a.store, s.channels, s.messages, counter)
	typists := typing.New(typing.Options{Store: a.store, Bus: a.bus, Site: site, Now: now, Log: a.deps.Log})
	s.log = dispatch.New(a.store, a.bus, s.messages.Body, announcers{s})
	s.hub = realtime.New(realtime.Options{
		Store: a.store, Follow: s.followApp, Linger: linger, Frame: wsconn.TextFrame, CatchUp: func() { s.sockets.CatchUp() }, Body: s.messages.Body, Prefetch: s.details, Signer: s.keyring,
		Extras: chime.ParseExtras(cfg.Extras), Typing: typists.Client, Authority: wsconn.Authority(s.access), Log: a.deps.Log,
		MaxQueueBytes: int(cfg.WSQueueBytes), MaxSessionsPerUser: cfg.WSConnectionsPerUser,
	})
	s.persons = person.New(person.Options{
		Store: a.store, Site: site, Now: now, Random: random, Jobs: s.jobs, Identity: s.identity, Messages: s.messages,
		Settle: s.log.Settle, Reread: func(ctx context.Context, app string) error { return s.follow.Reread(ctx, app) }, Disk: disk{a}, Sinks: s.written, Wait: a.deps.Wait,
	})
	s.presence = presence.New(presence.Options{Store: a.store, Bus: a.bus, Hub: s.hub, Site: site, Now: now, Log: a.deps.Log})
	s.unread = unread.New(unread.Options{Store: a.store, Counter: counter, Hub: s.hub, Site: site, Now: now, Log: a.deps.Log})

	if s.limiter, err = a.buildLimiter(); err != nil {
		return err
	}

	a.services = s
	a.registry.MustRegister(sampler(a.sampleHub), sampler(a.sampleFlows))
	if err := a.buildFollowers(); err != nil {
		return err
	}

	// What removes by time, and what a former version left to do.
	s.expiry = retention.NewExpiry(retention.ExpiryOptions{
		Store: a.store, Clock: clock, Now: now, Window: cfg.ClockTrust,
		Channels: s.channels, Users: s.identity, Messages: s.messages, Log: a.deps.Log,
	})
	cleaning := retention.Options{
		Store: a.store, Clock: clock, Tokens: tokens, EventRetention: cfg.EventRetention, RotateKeys: s.keyring.Rotate, Check: cluster.Check, Log: a.deps.Log,
		Eraser: a.engine, EraseWithin: cfg.EraseWithin,
		FollowerRetention: max(cfg.FollowerRetention, cfg.EventRetention), Followers: s.follow,
	}
	if err := s.bindTrusts(ctx); err != nil {
		return err
	}
	if err := a.forgetUnborn(ctx); err != nil {
		return err
	}
	a.share(&cleaning)
	a.addBackground(cleaning)
	return nil
}

// bindTrusts binds the trust policies of older versions: until then such roles trust no caller by name.
// A store that refuses changes, because its disk is full, is no reason not to start.
func (s *services) bindTrusts(ctx context.Context) error {
	err := s.account.BindTrusts(ctx)
	if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable) {
		s.jobs.Ensure("bind the trust policies of an older version", s.account.BindTrusts)
		return nil
	}
	return err
}

// forgetUnborn undoes creations of app instances that a crash cut off. A store that refuses changes leaves
// them to the next start.
func (s *services) forgetUnborn(ctx context.Context) error {
	err := s.identity.ForgetUnborn(ctx)
	if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable) {
		return nil
	}
	return err
}

// accountCaller returns the caller of IAM, as far as it is a user or the root.
func accountCaller(ctx context.Context) iam.Caller {
	p, ok := access.PrincipalFrom(ctx)
	switch {
	case !ok:
		return iam.Caller{}
	case p.Kind == access.User || p.Kind == access.UserSession:
		return iam.Caller{User: p.Name, Root: p.IsRoot()}
	}
	return iam.Caller{Root: p.Kind == access.Root}
}

// federate builds what gives out credentials.
func (s *services) federate(a *App) error {
	networks, err := a.cfg.OIDCNetworks()
	if err != nil {
		return err
	}
	proxy, err := a.cfg.OutboundProxyURL()
	if err != nil {
		return err
	}
	own := &oidc.Own{URL: sts.CognitoURL, Key: s.keyring.IssuerKey}
	verifier := oidc.New(oidc.Options{
		Store: a.store, Now: a.deps.Now, AllowHTTP: a.cfg.OIDCAllowHTTP, Own: own, Log: a.deps.Log,
		Client: oidc.NewClient(oidc.ClientOptions{AllowHTTP: a.cfg.OIDCAllowHTTP, AllowedNetworks: networks, Proxy: proxy}),
	})
	s.sts = sts.New(sts.Options{Store: a.store, Site: s.site, Access: s.access, Verifier: verifier})
	s.cognito = cognito.New(cognito.Options{
		Store: a.store, Site: s.site, STS: s.sts, Verifier: verifier, Own: own,
		Now: a.deps.Now, Random: a.deps.Random, GuestRate: a.cfg.CognitoGuestsPerSecond,
	})
	return nil
}

// forget makes every cache of the account read it again.
func (s *services) forget() {
	s.access.Forget()
	s.cognito.Forget()
	s.hub.AccountChanged() // last: it calls access
}

// addBackground adds the actors that work on the log.
func (a *App) addBackground(cleaning retention.Options) {
	s := a.services
	s.cleaner = retention.New(cleaning)
	a.actors = append(a.actors,
		actor{name: "open sessions", run: s.hub.Run, patience: stopPatience},
		actor{name: "dispatch", run: s.log.Run, patience: stopPatience},
		actor{name: "followers", run: s.follow.Run, patience: stopPatience},
		actor{name: "channel flows", run: s.invoker.Run, patience: stopPatience},
		actor{name: "push notifications", run: s.push.Run, patience: stopPatience},
		actor{name: "webhooks", run: s.webhooks.Run, patience: stopPatience},
		actor{name: "jobs", run: s.jobs.Run, patience: stopPatience},
		actor{name: "presence", run: s.presence.Run, patience: stopPatience},
		actor{name: "unread counts", run: s.unread.Run, patience: stopPatience},
		actor{name: "retention", run: a.once("retention", s.cleaner.Run), patience: stopPatience},
		actor{name: "expiry", run: a.once("expiry", s.expiry.Run), patience: stopPatience})
	if s.bots != nil {
		a.actors = append(a.actors, actor{name: "bots", run: s.bots.Run, patience: stopPatience})
	}
}

// linger is how long an app instance without users is followed, and what is kept of it for prefetch.
const linger = 10 * time.Second

// followApp sends the events of an app instance to the announcers while users of it are online.
func (s *services) followApp(ctx context.Context, app string) (after uint64, stop func(), err error) {
	after, end, err := s.log.Follow(ctx, app)
	return after, func() { end(); s.details.Forget(app) }, err
}

// announcers get the events of the app instances that have users online. The hub is the first:
// presence and unread counts follow what it has delivered.
type announcers struct{ *services }

func (s announcers) Deliver(events []*chime.Event) {
	s.hub.Deliver(events)
	s.presence.Deliver(events)
	s.unread.Deliver(events)
	s.details.Deliver(events)
}

// messagingAPI joins the services that answer the messaging API.
type messagingAPI struct {
	*channels
	*messages
	*flows
	*exports
	*endpoints
	tags
}

// carillonAPI joins the services that answer what AWS does not have.
type carillonAPI struct {
	*persons
	*webhooks
}

// An embedded type lends its methods under its name, so each needs one of its own.
type (
	channels  = channel.Service
	messages  = message.Service
	flows     = flow.Service
	exports   = stream.Service
	webhooks  = subscription.Service
	endpoints = realtime.Endpoints
	tags      = identity.MessagingTags
	persons   = person.Service
)

// operations is the table of everything that the public port answers.
func (s *services) operations() []api.Operation {
	chat := messaging.Operations(messagingAPI{
		channels: s.channels, messages: s.messages, flows: s.flows, exports: s.exports,
		endpoints: s.endpoint, tags: s.tags,
	})
	for i := range chat { // pages of messages are encoded as they are read
		if chat[i].Name == "ListChannelMessages" {
			chat[i] = api.Bind(chat[i], s.messages.EncodeChannelMessages)
		}
	}
	return settling(slices.Concat(chat,
		identityapi.Operations(s.identity),
		stsapi.Operations(s.sts),
		iamapi.Operations(s.account),
		cognitoapi.Operations(s.cognito),
		carillonapi.Operations(carillonAPI{persons: s.persons, webhooks: s.webhooks}),
	), s.site, s.log.Settle)
}
