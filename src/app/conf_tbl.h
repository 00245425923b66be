/* conf_tbl.h - every setting: its flag, its environment variable, its default and what it does.
 *
 * The same rows parse the command line, read the environment and print the help. A flag is written with one
 * dash or two, its value after '=' or a space.
 *
 *	X(kind, field, flag, environment, default, help)
 */
#ifndef APP_CONF_TBL_H
#define APP_CONF_TBL_H

/* clang-format off */
#define CONF_TABLE(X)                                                                                             \
	X(INT,  port,          "port",          "QSTASH_DEV_PORT",     "8080",      "port of the API")             \
	X(INT,  log_port,      "log-port",      "QSTASH_DEV_LOG_PORT", "",          "port of the log server (default: port + 1)") \
	X(TEXT, quota,         "quota",         "QSTASH_DEV_QUOTA",    "payg",      "plan whose limits apply: free, payg, pro, fixed1m, fixed10m, enterprise") \
	X(TEXT, host,          "host",          "QSTASH_HOST",         "127.0.0.1", "address to listen on")        \
	X(TEXT, data_dir,      "data-dir",      "QSTASH_DATA_DIR",     "",          "where state is kept (default: $XDG_DATA_HOME/qstash)") \
	X(BOOL, ephemeral,     "ephemeral",     "QSTASH_EPHEMERAL",    "false",     "keep nothing: state lives in a temporary directory that goes at exit") \
	X(TEXT, ca_file,       "ca-file",       "SSL_CERT_FILE",       "",          "trusted roots for https destinations (PEM; default: the system's)") \
	X(BOOL, allow_private, "allow-private", "QSTASH_ALLOW_PRIVATE", "true",     "deliver to loopback and private addresses") \
	X(TEXT, courier,       "courier",       "QSTASH_COURIER",      "own",       "HTTP client that delivers: own, or curl (libcurl)") \
	X(TEXT, region,        "region",        "QSTASH_DEV_REGION",   "",          "value of the Upstash-Region header of deliveries") \
	X(INT,  grace_s,       "grace",         "QSTASH_GRACE",        "5",         "seconds that running deliveries get to end when the server stops") \
	X(INT,  deliveries,    "deliveries",    "QSTASH_DELIVERIES",   "4096",      "most deliveries running at once") \
	X(INT,  memory_mb,     "memory",        "QSTASH_MEMORY",       "32",        "MiB of messages held for delivery; what is above waits in the store")
/* clang-format on */

#endif
