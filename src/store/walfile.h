/* walfile.h - SQLite's write-ahead log, written in one piece per transaction.
 *
 * SQLite writes every page of a transaction into its WAL with two calls of the kernel, one for the frame's head of 24
 * bytes and one for the page. A file opened through this VFS gathers them, and writes what has gathered
 * when the frame that commits has come; so a transaction is one write, with the same bytes at the same places, before the same sync.
 * Whatever else is asked of the file (a read, a sync, its size) finds it written. Only the WAL is
 * treated so: all other files are the default VFS's own.
 */
#ifndef STORE_WALFILE_H
#define STORE_WALFILE_H

/* The name of the VFS, for sqlite3_open_v2. From any thread. */
const char *walfile_vfs(void);

#endif
