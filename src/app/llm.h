/* llm.h - the model server behind the destination api/llm (spec 4.2). */
#ifndef APP_LLM_H
#define APP_LLM_H

#include "base/compiler.h"

/* The URL to deliver to, from a setting that names the server with or without the path of its chat completions.
 * Empty when the setting is. NULL with a line for the user when it is no URL. The caller frees it. */
must_use char *llm_url(const char *setting, char ret_error[256]);

#endif
