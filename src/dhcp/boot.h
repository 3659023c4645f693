/*
 * What each kind of firmware must be told so that it boots: a table by firmware, used by both engines.
 */
#pragma once

#include "dhcp/answer.h"

/* Adds the boot options for this client to `answer->reply` and sets how the reply has to be sent. True if it can boot
 * with them; otherwise `answer->no_boot_reason` says why not. Adds nothing for a client that wants no boot. */
bool dhcp_boot_add(struct dhcp_answer *answer, const struct dhcp_context *context, const struct dhcp_message *request);
