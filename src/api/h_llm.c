/* h_llm.c - models that the server would run by itself: there are none (spec 1.1, 4.2). */
#include "api/call.h"
#include "api/handlers.h"

void h_llm(struct call *c)
{
	call_refuse(c, 400,
		    "this server hosts no models: publish to api/llm, or to the URL of a provider");
}
