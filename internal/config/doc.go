// Package config is the settings of the program: one struct whose tags hold the name, default
// and documentation of each setting. It promises:
//
//   - A setting has one name. "ws-ping-interval" is the key of the YAML file, the flag
//     --ws-ping-interval and the environment variable CARILLON_WS_PING_INTERVAL.
//   - File is overruled by environment, environment by flags. A name that no source should
//     hold is an error, so a misspelt setting is never silently ignored.
//   - What Load returns is valid, and an error names the setting and where it was set.
//   - A Secret prints as "(secret)" wherever it is formatted or logged, and errors never repeat
//     its value.
package config
