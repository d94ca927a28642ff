-- +goose Up

-- The log of each app instance, and of the account, whose id is empty: where it ends. Its row is the lock that every
-- writer of the app instance holds.
CREATE TABLE logs (
	app bytea NOT NULL,
	position bigint NOT NULL,
	rewrites bigint NOT NULL,
	PRIMARY KEY (app)
);
COMMENT ON TABLE logs IS 'Logs of app instances, and of the account (empty app): the row is locked by every transaction that writes.';
COMMENT ON COLUMN logs.position IS 'Position of the latest event; positions have no gaps.';
COMMENT ON COLUMN logs.rewrites IS 'How often events were replaced, by which nodes notice that what they have in memory is old.';

-- Which batch of transactions a node committed last, so that it finds out after a lost answer.
CREATE TABLE batches (
	app bytea NOT NULL,
	writer bytea NOT NULL,
	number bigint NOT NULL,
	written timestamptz NOT NULL,
	PRIMARY KEY (app, writer)
);
COMMENT ON TABLE batches IS 'The latest batch that each writer committed in each log; rows of writers that are gone may be removed after a day.';

-- The events.
CREATE TABLE events (
	app bytea NOT NULL,
	position bigint NOT NULL,
	time bigint NOT NULL,
	type text NOT NULL,
	channel bytea NOT NULL,
	record bytea NOT NULL,
	PRIMARY KEY (app, position)
);
COMMENT ON TABLE events IS 'Events of the logs, without the content of messages.';
COMMENT ON COLUMN events.time IS 'Milliseconds since 1970.';
COMMENT ON COLUMN events.channel IS 'UID of the channel, empty for events of none.';
COMMENT ON COLUMN events.record IS 'A version byte and CBOR.';

-- The tables of package store: app is the id of the app instance, empty for what the account has, and key the other
-- columns of the key, written so that they sort as bytes; value is a version byte and CBOR.

CREATE TABLE traces (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE traces IS 'Readers of events. Key: part of the log, channel UID, user, position.';

CREATE TABLE log_starts (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE log_starts IS 'Where logs begin that were trimmed.';

CREATE TABLE app_instances (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE app_instances IS 'App instances. One row for each app instance.';

CREATE TABLE users (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE users IS 'Users. Key: user id.';

CREATE TABLE admins (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE admins IS 'Admins. Key: ref.';

CREATE TABLE users_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE users_in_order IS 'Users in order. Key: order.';

CREATE TABLE admins_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE admins_in_order IS 'Admins in order. Key: order.';

CREATE TABLE former_names (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE former_names IS 'Former names. Key: ref, order of its creation -> last name of a deleted user or bot; older ones without the order.';

CREATE TABLE channels (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE channels IS 'Channels. Key: channel id.';

CREATE TABLE channels_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE channels_in_order IS 'Channels in order. Key: privacy, order.';

CREATE TABLE channel_activity (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE channel_activity IS 'Channel activity. Key: uid[, sub-channel].';

CREATE TABLE memberships (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE memberships IS 'Memberships. Key: uid, ref[, sub-channel].';

CREATE TABLE members_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE members_in_order IS 'Members in order. Key: uid, type or "sub "+sub-channel, order, ref.';

CREATE TABLE memberships_of_a_user (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE memberships_of_a_user IS 'Memberships of a user. Key: ref, order, uid.';

CREATE TABLE moderators (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE moderators IS 'Moderators. Key: uid, ref.';

CREATE TABLE moderators_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE moderators_in_order IS 'Moderators in order. Key: uid, order, ref.';

CREATE TABLE channels_moderated_by_a_user (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE channels_moderated_by_a_user IS 'Channels moderated by a user. Key: ref, order, uid.';

CREATE TABLE messages (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE messages IS 'Messages. Key: uid, [sub-channel,] message id.';

CREATE TABLE tags (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE tags IS 'Tags. Key: kind, id.';

CREATE TABLE background_tasks (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE background_tasks IS 'Background tasks. Key: subject.';

CREATE TABLE counts (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE counts IS 'Counts. Key: what.';

CREATE TABLE bots (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE bots IS 'Bots. Key: bot id.';

CREATE TABLE bots_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE bots_in_order IS 'Bots in order. Key: order.';

CREATE TABLE device_endpoints (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE device_endpoints IS 'Device endpoints. Key: ref, endpoint id.';

CREATE TABLE device_endpoints_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE device_endpoints_in_order IS 'Device endpoints in order. Key: ref, order.';

CREATE TABLE endpoint_of_device (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE endpoint_of_device IS 'Endpoint of device. Key: type, hash of the device token.';

CREATE TABLE bans (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE bans IS 'Bans. Key: uid, ref.';

CREATE TABLE bans_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE bans_in_order IS 'Bans in order. Key: uid, order, ref.';

CREATE TABLE bans_of_somebody (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE bans_of_somebody IS 'Bans of somebody. Key: ref, order, uid.';

CREATE TABLE sub_channels (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE sub_channels IS 'Sub-channels. Key: uid, sub-channel id.';

CREATE TABLE sub_channels_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE sub_channels_in_order IS 'Sub-channels in order. Key: uid, order.';

CREATE TABLE numbers_of_sub_channels (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE numbers_of_sub_channels IS 'Numbers of sub-channels. Key: uid, number.';

CREATE TABLE occupancy_of_sub_channels (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE occupancy_of_sub_channels IS 'Occupancy of sub-channels. Key: uid, level, node.';

CREATE TABLE rebalancing_of_sub_channels (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE rebalancing_of_sub_channels IS 'Rebalancing of sub-channels. Key: uid.';

CREATE TABLE sub_channels_of_members (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE sub_channels_of_members IS 'Sub-channels of members. Key: uid, ref -> the sub-channel of a member that is no moderator.';

CREATE TABLE channel_flows (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE channel_flows IS 'Channel flows. Key: flow id.';

CREATE TABLE channel_flows_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE channel_flows_in_order IS 'Channel flows in order. Key: order.';

CREATE TABLE channels_with_a_flow (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE channels_with_a_flow IS 'Channels with a flow. Key: flow id, order, uid.';

CREATE TABLE streaming_settings (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE streaming_settings IS 'Streaming settings. One row for each app instance.';

CREATE TABLE expirations (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE expirations IS 'Expirations. Key: ms of the time, ref or "channel/"+uid -> user or channel id.';

CREATE TABLE messages_in_channel_flows (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE messages_in_channel_flows IS 'Messages in channel flows. Key: uid, [sub-channel,] message id.';

CREATE TABLE callbacks_of_channel_flows (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE callbacks_of_channel_flows IS 'Callbacks of channel flows. Key: CallbackId.';

CREATE TABLE turns_of_bots (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE turns_of_bots IS 'Turns of bots. Key: position of the event, bot id, session.';

CREATE TABLE conversations_of_bots (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE conversations_of_bots IS 'Conversations of bots. Key: uid, bot id, session.';

CREATE TABLE progress_of_push_notifications (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE progress_of_push_notifications IS 'Progress of push notifications. Key: follower.';

CREATE TABLE positions_of_followers (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE positions_of_followers IS 'Positions of followers. Key: follower.';

CREATE TABLE dead_letters (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE dead_letters IS 'Dead letters. Key: follower, position.';

CREATE TABLE erasures (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE erasures IS 'Erasures. Key: id.';

CREATE TABLE erasures_of_users (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE erasures_of_users IS 'Erasures of users. Key: user id -> id of the erasure that is under way.';

CREATE TABLE webhooks (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE webhooks IS 'Webhooks. Key: webhook id.';

CREATE TABLE webhook_deliveries (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE webhook_deliveries IS 'Webhook deliveries. Key: webhook id, position, number.';

CREATE TABLE webhook_deliveries_by_status (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE webhook_deliveries_by_status IS 'Webhook deliveries by status. Key: webhook id, status, position, number: all but those that are done.';

CREATE TABLE removals_to_erase (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE removals_to_erase IS 'Removals to erase. Key: [uid]-> position of the log at the latest of them.';

CREATE TABLE marks_of_the_log (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE marks_of_the_log IS 'Marks of the log. Key: ms of store time -> position of the latest event then.';

CREATE TABLE client_request_tokens (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE client_request_tokens IS 'Client request tokens. Key: start of the window in ms of store time, hash of scope and token as two numbers.';

CREATE TABLE app_instances_in_order (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE app_instances_in_order IS 'App instances in order. Key: order.';

CREATE TABLE account_users (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE account_users IS 'Account users. Key: name.';

CREATE TABLE access_keys (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE access_keys IS 'Access keys. Key: access key id.';

CREATE TABLE access_keys_of_a_user (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE access_keys_of_a_user IS 'Access keys of a user. Key: user name, access key id.';

CREATE TABLE roles (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE roles IS 'Roles. Key: name.';

CREATE TABLE inline_policies (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE inline_policies IS 'Inline policies. Key: entity kind, entity name, policy name as given.';

CREATE TABLE managed_policies (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE managed_policies IS 'Managed policies. Key: name.';

CREATE TABLE attached_policies (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE attached_policies IS 'Attached policies. Key: entity kind, entity name, policy ARN -> policy ARN.';

CREATE TABLE entities_of_a_policy (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE entities_of_a_policy IS 'Entities of a policy. Key: policy ARN, entity kind, entity name.';

CREATE TABLE oidc_providers (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE oidc_providers IS 'OIDC providers. Key: URL without https://.';

CREATE TABLE keyring (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE keyring IS 'Keyring. Key: use, number.';

CREATE TABLE pool_identities (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE pool_identities IS 'Pool identities. Key: identity id.';

CREATE TABLE pool_identity_of_a_login (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE pool_identity_of_a_login IS 'Pool identity of a login. Key: pool, provider, subject -> identity id.';

CREATE TABLE nodes (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE nodes IS 'Nodes. Key: id.';

CREATE TABLE leases_of_what_is_done_once (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE leases_of_what_is_done_once IS 'Leases of what is done once. Key: work.';
