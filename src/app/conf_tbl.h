/* conf_tbl.h - every setting: its flag, and per command its environment variable and its default; and what it does.
 *
 * The same rows parse the command line, read the environment and print the help. A flag is written with one
 * dash or two, its value after '=' or a space. A LIST takes a value from each flag, or several from the variable.
 *
 *	X(kind, field, flag, dev, serve, users, help), each command ON(environment, default) or OFF, as conf.c has them
 *
 * compute and logs take what serve takes.
 */
#ifndef APP_CONF_TBL_H
#define APP_CONF_TBL_H

#define CONF_COMMANDS(X) \
	X(DEV, "dev") X(SERVE, "serve") X(USERS, "users") X(COMPUTE, "compute") X(LOGS, "logs")

/* clang-format off */
#define CONF_TABLE(X)                                                                                                \
	X(INT,  port, "port", ON("QSTASH_DEV_PORT", "8080"), ON("QSTASH_PORT", "8080"), OFF,                          \
	  "port of the API")                                                                                          \
	X(INT,  log_port, "log-port", ON("QSTASH_DEV_LOG_PORT", ""), ON("QSTASH_LOG_PORT", ""), OFF,                  \
	  "port of the log server (dev: port + 1 unless given; serve: none unless given)")                            \
	X(TEXT, quota, "quota", ON("QSTASH_DEV_QUOTA", "payg"), OFF, OFF,                                             \
	  "plan whose limits apply to all: free, payg, pro, fixed1m, fixed10m, enterprise, or one of -plans")         \
	X(TEXT, plans, "plans", ON("QSTASH_PLANS", ""), ON("QSTASH_PLANS", ""), OFF,                                  \
	  "file of plans (JSON, see docs/users.md) that changes and adds to the built-in ones")                       \
	X(TEXT, host, "host", ON("QSTASH_HOST", "127.0.0.1"), ON("QSTASH_HOST", "127.0.0.1"), OFF,                    \
	  "address to listen on")                                                                                     \
	X(TEXT, data_dir, "data-dir", ON("QSTASH_DATA_DIR", ""), ON("QSTASH_DATA_DIR", ""), ON("QSTASH_DATA_DIR", ""), \
	  "where state is kept (default: $XDG_DATA_HOME/qstash for dev, $XDG_DATA_HOME/qstash-server otherwise)")     \
	X(LIST, redis, "redis", OFF, ON("QSTASH_REDIS", ""), OFF,                                                     \
	  "Redis server (7.0 or newer) that keeps the messages, as redis://:password@host:6379/0 (rediss:// with TLS) or unix:///path?db=0; " \
	  "may be given several times (the variable: several, separated by spaces or commas), the first one is the home database; " \
	  "better given by the variable if it has a password; default: a database in the data directory")             \
	X(BOOL, redis_unsafe, "redis-unsafe", OFF, ON("QSTASH_REDIS_UNSAFE", "false"), OFF,                           \
	  "use a Redis server although its settings may lose accepted messages")                                      \
	X(TEXT, processes, "processes", OFF, ON("QSTASH_PROCESSES", "1"), OFF,                                        \
	  "with -redis: compute processes, 1 to 64, or auto: as many as the load needs, up to the number of CPUs")    \
	X(INT,  busy_percent, "busy-cpu", OFF, ON("QSTASH_BUSY_CPU", "85"), OFF,                                      \
	  "-processes auto: percent of a CPU; another process is started when they use more on average while work waits") \
	X(INT,  busy_s, "busy-seconds", OFF, ON("QSTASH_BUSY_SECONDS", "10"), OFF,                                    \
	  "-processes auto: ... for so long")                                                                         \
	X(INT,  idle_percent, "idle-cpu", OFF, ON("QSTASH_IDLE_CPU", "30"), OFF,                                      \
	  "-processes auto: percent of a CPU; a process is retired when each uses less")                              \
	X(INT,  idle_s, "idle-seconds", OFF, ON("QSTASH_IDLE_SECONDS", "60"), OFF,                                    \
	  "-processes auto: ... for so long")                                                                         \
	X(INT,  lease_s, "lease", OFF, ON("QSTASH_LEASE", "15"), OFF,                                                 \
	  "with -redis: seconds after which others take over what a silent process was at work on; the same for all processes") \
	X(INT,  log_processes, "log-processes", OFF, ON("QSTASH_LOG_PROCESSES", "1"), OFF,                            \
	  "with -redis: processes that keep the logs ('qstash logs'), 1 to 64, the same for all processes on these databases") \
	X(TEXT, logs, "logs", OFF, ON("QSTASH_LOGS", ""), OFF,                                                        \
	  "where the log processes are, one URL for each slot, in order, separated by commas (default: on this machine, by sockets in the data directory)") \
	X(TEXT, logs_secret, "logs-secret", OFF, ON("QSTASH_LOGS_SECRET", ""), OFF,                                   \
	  "what log processes elsewhere are asked with, at least 24 characters (better given by the variable)")      \
	X(INT,  logs_port, "logs-port", OFF, ON("QSTASH_LOGS_PORT", ""), OFF,                                         \
	  "logs: port at which other hosts ask this process, with -logs-secret (default: none, the socket alone)")    \
	X(INT,  slot, "slot", OFF, ON("QSTASH_SLOT", "0"), OFF,                                                       \
	  "logs: which of the -log-processes this is, from 0 on")                                                     \
	X(INT,  log_backlog_mb, "log-backlog", OFF, ON("QSTASH_LOG_BACKLOG", "1024"), OFF,                            \
	  "logs: MiB of events that a database keeps for the log processes; beyond, the oldest are dropped")          \
	X(BOOL, ephemeral, "ephemeral", ON("QSTASH_EPHEMERAL", "false"), OFF, OFF,                                    \
	  "keep nothing: state lives in a temporary directory that goes at exit")                                     \
	X(TEXT, ca_file, "ca-file", ON("SSL_CERT_FILE", ""), ON("SSL_CERT_FILE", ""), ON("SSL_CERT_FILE", ""),        \
	  "trusted roots for https (PEM; default: the system's)")                                                     \
	X(BOOL, allow_private, "allow-private", ON("QSTASH_ALLOW_PRIVATE", "true"), ON("QSTASH_ALLOW_PRIVATE", "false"), OFF, \
	  "deliver to loopback and private addresses")                                                                \
	X(TEXT, courier, "courier", ON("QSTASH_COURIER", "own"), ON("QSTASH_COURIER", "own"), OFF,                    \
	  "HTTP client that delivers: own, or curl (libcurl)")                                                        \
	X(TEXT, region, "region", ON("QSTASH_DEV_REGION", ""), ON("QSTASH_REGION", ""), OFF,                          \
	  "value of the Upstash-Region header of deliveries")                                                         \
	X(INT,  grace_s, "grace", ON("QSTASH_GRACE", "5"), ON("QSTASH_GRACE", "30"), OFF,                             \
	  "seconds that running deliveries get to end when the server stops")                                         \
	X(INT,  deliveries, "deliveries", ON("QSTASH_DELIVERIES", "4096"), ON("QSTASH_DELIVERIES", "4096"), OFF,      \
	  "most deliveries running at once, of each database") \
	X(INT,  memory_mb, "memory", ON("QSTASH_MEMORY", "32"), ON("QSTASH_MEMORY", "128"), OFF,                      \
	  "MiB of messages held for delivery, of each database; what is above waits in the store")                                      \
	X(TEXT, llm_url, "llm-url", ON("QSTASH_LLM_URL", ""), ON("QSTASH_LLM_URL", ""), OFF,                          \
	  "server of the OpenAI kind that the destination api/llm stands for")                                        \
	X(TEXT, llm_key, "llm-key", ON("QSTASH_LLM_KEY", ""), ON("QSTASH_LLM_KEY", ""), OFF,                          \
	  "its key, sent as a bearer token and shown nowhere (better given by the variable: others can see flags)")   \
	X(TEXT, admin_token, "admin-token", ON("QSTASH_ADMIN_TOKEN", ""), ON("QSTASH_ADMIN_TOKEN", ""), ON("QSTASH_ADMIN_TOKEN", ""), \
	  "token of the admin API, at least 24 characters; without one it is off (better given by the variable: others can see flags)") \
	X(TEXT, url, "url", OFF, OFF, ON("QSTASH_ADMIN_URL", ""),                                                     \
	  "a server elsewhere, asked with -admin-token; default: the one that runs on the data directory")            \
	X(TEXT, plan, "plan", OFF, OFF, ON("", "payg"), "create: the user's plan")                                    \
	X(BOOL, json, "json", OFF, OFF, ON("", "false"), "print the answer as JSON")                                  \
	X(BOOL, yes, "yes", OFF, OFF, ON("", "false"), "delete: I mean it")                                           \
	X(BOOL, remove, "remove", OFF, OFF, ON("", "false"), "read-only-token: take it away")
/* clang-format on */

#endif
