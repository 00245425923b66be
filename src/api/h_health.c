#include "api/call.h"
#include "api/handlers.h"

void h_health(struct call *c)
{
	call_answer_text(c, 200, STR("{\"status\":\"ok\"}"));
}
