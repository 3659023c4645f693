#include "dhcp/proxy.h"

#include "dhcp/boot.h"

static void ignore(struct dhcp_answer *answer, enum dhcp_why why)
{
    answer->outcome = DHCP_OUTCOME_IGNORE;
    answer->why = why;
}

/* Plain clients are the router's business alone: whatever we said to them could only disturb. */
static bool asks_for_boot_server(const struct dhcp_context *context, const struct dhcp_message *request)
{
    return firmware_boots(context->client.firmware) &&
           (dhcp_starts_with(request, DHCP_OPTION_VENDOR_CLASS, "PXEClient") ||
            dhcp_starts_with(request, DHCP_OPTION_VENDOR_CLASS, "HTTPClient"));
}

static void tell_boot_server(const struct dhcp_context *context, const struct dhcp_message *request,
                             enum dhcp_message_type type, struct dhcp_answer *answer)
{
    if (!asks_for_boot_server(context, request)) {
        ignore(answer, DHCP_WHY_WANTS_ADDRESS);
        return;
    }
    if (!context->machine) {
        ignore(answer, DHCP_WHY_UNKNOWN);
        return;
    }
    dhcp_begin_reply(&answer->reply, request, type, context->server_address);
    if (!dhcp_boot_add(answer, context, request)) {
        ignore(answer, DHCP_WHY_NO_LOADER);
        return;
    }
    answer->outcome = type == DHCP_OFFER ? DHCP_OUTCOME_PROXY_OFFER : DHCP_OUTCOME_PROXY_ACK;
}

/* A REQUEST is broadcast so that every server learns whose offer was taken; so do we, and where the machine will be. */
static void overhear(const struct dhcp_message *request, struct dhcp_answer *answer)
{
    uint32_t address = request->ciaddr ? request->ciaddr : dhcp_get_u32(request, DHCP_OPTION_REQUESTED_ADDRESS, 0);

    answer->outcome = DHCP_OUTCOME_OTHER_SERVER;
    answer->other_server = dhcp_get_u32(request, DHCP_OPTION_SERVER_ID, 0);
    answer->binding = (struct address_binding){.address = address, .mac = dhcp_mac(request)};
}

void dhcp_proxy_answer(const struct dhcp_context *context, const struct dhcp_message *request,
                       struct dhcp_answer *answer)
{
    *answer = (struct dhcp_answer){0};
    if (!dhcp_is_from_client(request))
        ignore(answer, DHCP_WHY_NOT_FOR_US);
    else if (dhcp_type(request) == DHCP_DISCOVER)
        tell_boot_server(context, request, DHCP_OFFER, answer);
    else if (dhcp_type(request) == DHCP_REQUEST)
        overhear(request, answer);
    else
        ignore(answer, DHCP_WHY_WANTS_ADDRESS);
}

void dhcp_proxy_answer_boot(const struct dhcp_context *context, const struct dhcp_message *request,
                            struct dhcp_answer *answer)
{
    enum dhcp_message_type type = dhcp_type(request);

    *answer = (struct dhcp_answer){0};
    if (!dhcp_is_from_client(request) || (type != DHCP_REQUEST && type != DHCP_INFORM))
        ignore(answer, DHCP_WHY_NOT_FOR_US);
    else
        tell_boot_server(context, request, DHCP_ACK, answer);
    answer->delay_ms = 0;
    answer->reply.ciaddr = request->ciaddr;
}
