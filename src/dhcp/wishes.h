/*
 * What an administrator wants a machine to be told by DHCP beside, or instead of, what farboot would say.
 */
#pragma once

#include "dhcp/answer.h"

/* Puts the machine's settings dhcp-option, boot-server and boot-file into the reply, in the place of what is there. */
void dhcp_wishes_add(struct dhcp_answer *answer, const struct dhcp_context *context);
