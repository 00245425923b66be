/* db.h - "qstash db": the databases of a server that keeps its messages in Redis.
 */
#ifndef APP_DB_H
#define APP_DB_H

/* Returns the exit status. */
int db_main(int argc, char **argv);

#endif
