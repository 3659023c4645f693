/*
 * The DHCP server (RFC 2131 section 4.3): one message in, one decision and at most one reply out.
 *
 * Pure but for the address table, in which it reserves what it offers. It never sends, stores or waits: the service
 * does, as the outcome says.
 */
#pragma once

#include "dhcp/answer.h"

/* `answer` is filled completely. `context->addresses` must be set. */
void dhcp_server_answer(const struct dhcp_context *context, const struct dhcp_message *request,
                        struct dhcp_answer *answer);
