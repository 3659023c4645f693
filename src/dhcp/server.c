#include "dhcp/server.h"

#include "dhcp/boot.h"

/* One message on its way to a decision. */
struct exchange {
    const struct dhcp_context *context;
    const struct dhcp_message *request;
    struct dhcp_answer *answer;
    const struct dhcp_subnet *subnet;
    struct address_request wish;
};

static void ignore(struct exchange *x, enum dhcp_why why)
{
    x->answer->outcome = DHCP_OUTCOME_IGNORE;
    x->answer->why = why;
}

/* ---- where the client is, and what may be given there ---- */

/* A relay says where the client is. Without one it is on our wire, unless it writes to us alone from the address it
 * has: then it may be behind a router. */
static const struct dhcp_subnet *find_subnet(const struct dhcp_context *context, const struct dhcp_message *request)
{
    uint32_t place = request->giaddr;

    if (!place && context->sent_to_us)
        place = request->ciaddr;
    return dhcp_config_subnet(context->config, place ? place : context->server_address);
}

static bool is_kept(const void *arg, uint32_t address)
{
    const struct exchange *x = arg;
    const struct dhcp_context *context = x->context;

    return address == context->server_address || address == x->subnet->router ||
           (context->is_reserved && context->is_reserved(context->is_reserved_arg, address, context->machine));
}

static void make_wish(struct exchange *x)
{
    const struct machine *machine = x->context->machine;
    bool reserved_here = machine && machine->address && inet_network_contains(&x->subnet->network, machine->address);

    x->wish = (struct address_request){
        .mac = dhcp_mac(x->request),
        .reserved = reserved_here ? machine->address : 0,
        .wanted = dhcp_get_u32(x->request, DHCP_OPTION_REQUESTED_ADDRESS, 0),
        .first = x->subnet->range_first,
        .last = x->subnet->range_last,
        .is_kept = is_kept,
        .is_kept_arg = x,
        .stranger = !machine,
    };
}

/* ---- replies ---- */

static void put_subnet_options(struct exchange *x)
{
    struct dhcp_message *reply = &x->answer->reply;
    const struct dhcp_subnet *subnet = x->subnet;
    const struct dhcp_message *request = x->request;
    bool asks_for_all = !dhcp_has(request, DHCP_OPTION_PARAMETERS);
    const char *name = x->context->machine ? x->context->machine->name : "";

    /* Mask and router always: a Pi 3's ROM needs them and does not ask for them. */
    dhcp_put_u32(reply, DHCP_OPTION_SUBNET_MASK, inet_mask(subnet->network.prefix_length));
    if (subnet->router)
        dhcp_put_u32(reply, DHCP_OPTION_ROUTER, subnet->router);
    if (subnet->dns_count && (asks_for_all || dhcp_asks_for(request, DHCP_OPTION_DNS)))
        dhcp_put_addresses(reply, DHCP_OPTION_DNS, subnet->dns, subnet->dns_count);
    if (asks_for_all || dhcp_asks_for(request, DHCP_OPTION_DOMAIN))
        dhcp_put_text(reply, DHCP_OPTION_DOMAIN, subnet->domain);
    if (dhcp_asks_for(request, DHCP_OPTION_HOST_NAME))
        dhcp_put_text(reply, DHCP_OPTION_HOST_NAME, name);
    if (dhcp_asks_for(request, DHCP_OPTION_BROADCAST))
        dhcp_put_u32(reply, DHCP_OPTION_BROADCAST, inet_broadcast(&subnet->network));
    if (subnet->ntp_count && dhcp_asks_for(request, DHCP_OPTION_NTP))
        dhcp_put_addresses(reply, DHCP_OPTION_NTP, subnet->ntp, subnet->ntp_count);
}

static void put_lease_times(struct exchange *x)
{
    struct dhcp_message *reply = &x->answer->reply;
    uint32_t seconds = x->subnet->lease_seconds;

    dhcp_put_u32(reply, DHCP_OPTION_LEASE_TIME, seconds);
    dhcp_put_u32(reply, DHCP_OPTION_RENEWAL_TIME, seconds / 2);
    dhcp_put_u32(reply, DHCP_OPTION_REBINDING_TIME, (uint32_t)((uint64_t)seconds * 7 / 8));
}

/* RFC 6842 wants option 61 back. Boot ROMs were written before it and some stumble over it. */
static void put_client_id(struct exchange *x)
{
    if (!firmware_boots(x->context->client.firmware))
        dhcp_copy_option(&x->answer->reply, x->request, DHCP_OPTION_CLIENT_ID);
}

/* True if the client can boot with what it is told. What matters most comes first: it is what fits. */
static bool make_reply(struct exchange *x, enum dhcp_message_type type, uint32_t address)
{
    struct dhcp_message *reply = &x->answer->reply;

    dhcp_begin_reply(reply, x->request, type, x->context->server_address);
    reply->yiaddr = address;
    if (address)
        put_lease_times(x);
    put_subnet_options(x);
    bool boots = dhcp_boot_add(x->answer, x->context, x->request);
    put_client_id(x);
    return boots;
}

static void keep(struct exchange *x, uint32_t address, enum address_state state, uint32_t seconds)
{
    x->answer->binding = (struct address_binding){
        .address = address,
        .mac = dhcp_mac(x->request),
        .state = state,
        .expires_seconds = x->context->now_seconds + seconds,
    };
    if (!address_put(x->context->addresses, &x->answer->binding, !x->context->machine))
        ignore(x, DHCP_WHY_NO_ADDRESS);
}

/* ---- DISCOVER (RFC 2131 section 4.3.1) ---- */

/* An OFFER must not shorten what the client already has. */
static bool holds_longer_than_an_offer(const struct exchange *x, uint32_t address)
{
    const struct address_binding *mine = address_of_mac(x->context->addresses, &x->wish.mac);

    return mine && mine->address == address && mine->state == ADDRESS_BOUND &&
           mine->expires_seconds > x->context->now_seconds + ADDRESS_OFFER_SECONDS;
}

static void answer_discover(struct exchange *x)
{
    uint32_t address = address_choose(x->context->addresses, &x->wish, x->context->now_seconds);

    x->answer->reservation_is_taken = x->wish.reserved && address != x->wish.reserved;
    if (!address) {
        ignore(x, DHCP_WHY_NO_ADDRESS);
        return;
    }
    bool boots = make_reply(x, DHCP_OFFER, address);
    /* A Pi 3 takes the OFFER and boots: it sends no REQUEST, so its address is in use from now on. */
    if (boots && firmware_is_pi3(x->context->client.firmware)) {
        x->answer->outcome = DHCP_OUTCOME_DURABLE_OFFER;
        keep(x, address, ADDRESS_BOUND, x->subnet->lease_seconds);
        return;
    }
    x->answer->outcome = DHCP_OUTCOME_OFFER;
    if (!holds_longer_than_an_offer(x, address))
        keep(x, address, ADDRESS_OFFERED, ADDRESS_OFFER_SECONDS);
}

/* ---- REQUEST (RFC 2131 section 4.3.2) ---- */

static void take_other_server(struct exchange *x, uint32_t server)
{
    address_withdraw(x->context->addresses, &x->wish.mac);
    x->answer->outcome = DHCP_OUTCOME_OTHER_SERVER;
    x->answer->other_server = server;
    x->answer->binding = (struct address_binding){.address = x->wish.wanted, .mac = x->wish.mac};
}

static void refuse(struct exchange *x)
{
    struct dhcp_message *reply = &x->answer->reply;

    dhcp_begin_reply(reply, x->request, DHCP_NAK, x->context->server_address);
    dhcp_put_text(reply, DHCP_OPTION_MESSAGE, "this address is not yours here");
    /* The relay knows no address to send it to. */
    if (x->request->giaddr)
        reply->flags |= DHCP_FLAG_BROADCAST;
    x->answer->outcome = DHCP_OUTCOME_NAK;
}

static void acknowledge(struct exchange *x, uint32_t address)
{
    make_reply(x, DHCP_ACK, address);
    x->answer->reply.ciaddr = x->request->ciaddr;
    x->answer->delay_ms = 0;
    x->answer->outcome = DHCP_OUTCOME_ACK;
    keep(x, address, ADDRESS_BOUND, x->subnet->lease_seconds);
}

/* The RFC's four states come down to two questions: which address is it about, and whose word is final.
 *
 *   SELECTING    server id, requested address   we offered it: refuse what we cannot keep
 *   INIT-REBOOT  requested address              \
 *   RENEWING     ciaddr, to us alone             } refuse when authoritative, else be silent about what we do not know
 *   REBINDING    ciaddr, to everyone            /
 */
static void answer_request(struct exchange *x)
{
    const struct dhcp_context *context = x->context;
    uint32_t server = dhcp_get_u32(x->request, DHCP_OPTION_SERVER_ID, 0);
    uint32_t address = x->request->ciaddr ? x->request->ciaddr : x->wish.wanted;
    const struct address_binding *mine = address_of_mac(context->addresses, &x->wish.mac);
    bool final = server || context->config->authoritative;

    if (server && server != context->server_address)
        take_other_server(x, server);
    else if (!address)
        ignore(x, DHCP_WHY_NOT_FOR_US);
    else if (!final && !mine)
        ignore(x, DHCP_WHY_NOT_OURS);
    else if (address_may_have(context->addresses, &x->wish, address, context->now_seconds))
        acknowledge(x, address);
    else
        refuse(x);
}

/* ---- DECLINE, RELEASE, INFORM (RFC 2131 sections 4.3.3 to 4.3.5) ---- */

static bool is_about_own_address(const struct exchange *x, uint32_t address)
{
    const struct address_binding *mine = address_of_mac(x->context->addresses, &x->wish.mac);
    uint32_t server = dhcp_get_u32(x->request, DHCP_OPTION_SERVER_ID, x->context->server_address);

    return address && mine && mine->address == address && server == x->context->server_address;
}

static void answer_decline(struct exchange *x)
{
    if (!is_about_own_address(x, x->wish.wanted)) {
        ignore(x, DHCP_WHY_KEPT_BY_OTHER);
        return;
    }
    x->answer->outcome = DHCP_OUTCOME_DECLINED;
    keep(x, x->wish.wanted, ADDRESS_DECLINED, ADDRESS_QUARANTINE_SECONDS);
}

static void answer_release(struct exchange *x)
{
    if (!is_about_own_address(x, x->request->ciaddr)) {
        ignore(x, DHCP_WHY_KEPT_BY_OTHER);
        return;
    }
    x->answer->outcome = DHCP_OUTCOME_RELEASED;
    keep(x, x->request->ciaddr, ADDRESS_RELEASED, 0);
}

static void answer_inform(struct exchange *x)
{
    make_reply(x, DHCP_ACK, 0);
    x->answer->reply.ciaddr = x->request->ciaddr;
    x->answer->delay_ms = 0;
    x->answer->outcome = DHCP_OUTCOME_INFORM;
}

/* ---- the decision ---- */

static void (*const handlers[DHCP_MESSAGE_TYPES])(struct exchange *x) = {
    [DHCP_DISCOVER] = answer_discover, [DHCP_REQUEST] = answer_request, [DHCP_DECLINE] = answer_decline,
    [DHCP_RELEASE] = answer_release,   [DHCP_INFORM] = answer_inform,
};

void dhcp_server_answer(const struct dhcp_context *context, const struct dhcp_message *request,
                        struct dhcp_answer *answer)
{
    struct exchange x = {
        .context = context, .request = request, .answer = answer, .subnet = find_subnet(context, request)};
    enum dhcp_message_type type = dhcp_type(request);

    *answer = (struct dhcp_answer){0};
    if (!dhcp_is_from_client(request) || type >= DHCP_MESSAGE_TYPES || !handlers[type])
        ignore(&x, DHCP_WHY_NOT_FOR_US);
    else if (!x.subnet)
        ignore(&x, DHCP_WHY_NO_SUBNET);
    else if (context->config->known_only && !context->machine)
        ignore(&x, DHCP_WHY_UNKNOWN);
    else {
        make_wish(&x);
        handlers[type](&x);
    }
}
