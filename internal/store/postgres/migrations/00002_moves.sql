-- +goose Up

CREATE TABLE moves (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key));
COMMENT ON TABLE moves IS 'Progress of a move from another store, which no node opens before it is complete. One row for each app instance.';
