/*
 * Boot information beside somebody else's DHCP server (PXE 2.1, "proxyDHCP"): never an address, never a NAK.
 *
 * Pure.
 */
#pragma once

#include "dhcp/answer.h"

/* For what came to port 67. */
void dhcp_proxy_answer(const struct dhcp_context *context, const struct dhcp_message *request,
                       struct dhcp_answer *answer);
/* For what came to port 4011, in either mode: some firmware asks there for what it was already told. */
void dhcp_proxy_answer_boot(const struct dhcp_context *context, const struct dhcp_message *request,
                            struct dhcp_answer *answer);
