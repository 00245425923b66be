/* zone.h - time zones: the files of the system's tzdata.
 */
#ifndef APP_ZONE_H
#define APP_ZONE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

/* Appends the bytes of the TZif file of that name; for engine_settings.zone. False when there is none, or when the
 * name could lead elsewhere. */
bool zone_read(void *arg, struct str name, struct buf *ret_bytes);

#endif
