#include "dhcp/boot.h"

#include "dhcp/wishes.h"
#include "fleet/boot_program.h"

#include <stdio.h>

/* A Pi takes an answer only with this menu (PXE 2.1 section 3): no discovery by broadcast or multicast, a prompt
 * without waiting, and one entry with the text it looks for. The three spaces are needed by the 3B's ROM, which
 * computes the length wrongly; the others ignore them. */
static const uint8_t pi_menu[] = "\x06\x01\x03"
                                 "\x0a\x04\x00PXE"
                                 "\x09\x17\x00\x00\x14Raspberry Pi Boot   "
                                 "\xff";

/* Sub-option 176 (no-pxedhcp) = 1: iPXE does not wait two seconds for the offer of a proxy. */
static const uint8_t ipxe_no_proxy[] = {0xb0, 0x01, 0x01};

/* A menu of one entry, for answers that are only taken when they have one. */
static const uint8_t ipxe_menu[] = "\x09\x0a\x00\x00\x07" "farboot" "\xff";

enum { ISCSI_DEFAULT_PORT = 3260, HTTP_DEFAULT_PORT = 80, ROOT_PATH_SIZE = IQN_SIZE + 64, PI3_DELAY_MS = 1000 };

#define IPXE_SCRIPT "boot.ipxe"
#define SAN_NEEDS_IPXE "its boot is set to san, which only iPXE can do"

static bool add_pi(struct dhcp_answer *answer, const struct dhcp_context *context, const struct dhcp_message *request)
{
    struct dhcp_message *reply = &answer->reply;
    char server[INET_TEXT_SIZE];

    if (context->machine->boot == MACHINE_BOOT_SAN) {
        answer->no_boot_reason = SAN_NEEDS_IPXE;
        return false;
    }
    /* Each model looks at another one of these. */
    reply->siaddr = context->server_address;
    dhcp_put_text(reply, DHCP_OPTION_TFTP_SERVER, inet_format(server, context->server_address));
    dhcp_put_text(reply, DHCP_OPTION_VENDOR_CLASS, "PXEClient");
    dhcp_put(reply, DHCP_OPTION_VENDOR_SPECIFIC, pi_menu, sizeof(pi_menu) - 1);
    return true;
}

/* RFC 4173: iscsi:server:protocol:port:lun:target. */
static void put_root_path(struct dhcp_message *reply, const struct dhcp_context *context)
{
    char path[ROOT_PATH_SIZE];
    char target[IQN_SIZE];
    char server[INET_TEXT_SIZE];
    char port[8] = "";

    if (context->iscsi_port != ISCSI_DEFAULT_PORT)
        snprintf(port, sizeof(port), "%u", context->iscsi_port);
    snprintf(path, sizeof(path), "iscsi:%s::%s:0:%s", inet_format(server, context->server_address), port,
             machine_target_name(target, context->iqn_prefix, &context->machine->mac));
    dhcp_put_text(reply, DHCP_OPTION_ROOT_PATH, path);
}

/* Beside another DHCP server, iPXE takes our word when it comes from a "PXEClient" and names a file. With a root path
 * alone it asks again at port 4011, where it wants a menu for a sign; and that menu it would show, instead of starting
 * the disk, if the answer called itself "PXEClient" too. */
static void mark_as_proxy(struct dhcp_message *reply, bool names_file)
{
    if (names_file || dhcp_type(reply) == DHCP_OFFER)
        dhcp_put_text(reply, DHCP_OPTION_VENDOR_CLASS, "PXEClient");
    else
        dhcp_put(reply, DHCP_OPTION_VENDOR_SPECIFIC, ipxe_menu, sizeof(ipxe_menu) - 1);
}

static bool add_ipxe(struct dhcp_answer *answer, const struct dhcp_context *context, const struct dhcp_message *request)
{
    struct dhcp_message *reply = &answer->reply;
    char initiator[IQN_SIZE];

    reply->siaddr = context->server_address;
    /* A secret does not go into DHCP: with CHAP the disk is named by a script. */
    if (context->machine->boot == MACHINE_BOOT_SAN && context->machine->chap.mode == MACHINE_CHAP_OFF)
        put_root_path(reply, context);
    else
        COPY_STRING(reply->file, IPXE_SCRIPT);
    dhcp_put_text(reply, DHCP_OPTION_ISCSI_INITIATOR,
                  machine_initiator_name(initiator, context->iqn_prefix, &context->machine->mac));
    if (context->config->mode == DHCP_MODE_SERVER)
        dhcp_put(reply, DHCP_OPTION_IPXE, ipxe_no_proxy, sizeof(ipxe_no_proxy));
    else
        mark_as_proxy(reply, reply->file[0]);
    return true;
}

/* Discovery control: the file that is named here is to be started at once, without a menu (PXE 2.1, option 43, tag 6,
 * bit 3). */
static const uint8_t pxe_start_file[] = "\x06\x01\x08"
                                        "\xff";

#define NO_PROGRAM "farboot knows no iPXE for its processor; start iPXE on it from a USB stick"

static bool add_pxe(struct dhcp_answer *answer, const struct dhcp_context *context, const struct dhcp_message *request)
{
    /* A ROM that names no processor is a BIOS's. */
    const char *path = boot_program_path(MAX(context->client.architecture, 0));
    struct dhcp_message *reply = &answer->reply;

    if (!path) {
        answer->no_boot_reason = NO_PROGRAM;
        return false;
    }
    reply->siaddr = context->server_address;
    COPY_STRING(reply->file, path);
    if (context->config->mode != DHCP_MODE_SERVER) {
        dhcp_put_text(reply, DHCP_OPTION_VENDOR_CLASS, "PXEClient");
        dhcp_put(reply, DHCP_OPTION_VENDOR_SPECIFIC, pxe_start_file, sizeof(pxe_start_file) - 1);
    }
    return true;
}

static void put_program_uri(struct dhcp_message *reply, const struct dhcp_context *context, const char *path)
{
    char server[INET_TEXT_SIZE];
    char port[8] = "";

    if (context->http_port != HTTP_DEFAULT_PORT)
        snprintf(port, sizeof(port), ":%u", context->http_port);
    snprintf(reply->file, sizeof(reply->file), "http://%s%s/%s", inet_format(server, context->server_address), port,
             path);
    dhcp_put_text(reply, DHCP_OPTION_BOOT_FILE, reply->file);
}

/* UEFI takes only an answer that calls itself "HTTPClient" (UEFI 2.10 section 24.7.3.1). The address in the URI is a
 * number: it does not ask for a name server before it knows that it needs one. */
static bool add_http(struct dhcp_answer *answer, const struct dhcp_context *context, const struct dhcp_message *request)
{
    const char *path = boot_program_path(context->client.architecture);

    if (!path || !context->http_port) {
        answer->no_boot_reason =
            path ? "farboot serves no boot files by HTTP (http: in its configuration); boot it by PXE" : NO_PROGRAM;
        return false;
    }
    dhcp_put_text(&answer->reply, DHCP_OPTION_VENDOR_CLASS, "HTTPClient");
    put_program_uri(&answer->reply, context, path);
    return true;
}

/* It finds the rest by itself: pxelinux.cfg/01-ITS-ADDRESS on the TFTP server. */
static bool add_u_boot(struct dhcp_answer *answer, const struct dhcp_context *context,
                       const struct dhcp_message *request)
{
    char server[INET_TEXT_SIZE];

    if (context->machine->boot == MACHINE_BOOT_SAN) {
        answer->no_boot_reason = SAN_NEEDS_IPXE;
        return false;
    }
    answer->reply.siaddr = context->server_address;
    dhcp_put_text(&answer->reply, DHCP_OPTION_TFTP_SERVER, inet_format(server, context->server_address));
    return true;
}

/* Asked for by people who look whether boot information arrives at all, and by clients with a network stack of their
 * own. */
static bool add_tftp_server(struct dhcp_answer *answer, const struct dhcp_context *context,
                            const struct dhcp_message *request)
{
    char server[INET_TEXT_SIZE];

    if (dhcp_asks_for(request, DHCP_OPTION_TFTP_SERVER)) {
        answer->reply.siaddr = context->server_address;
        dhcp_put_text(&answer->reply, DHCP_OPTION_TFTP_SERVER, inet_format(server, context->server_address));
    }
    return false;
}

struct recipe {
    bool (*add)(struct dhcp_answer *answer, const struct dhcp_context *context, const struct dhcp_message *request);
    bool may_overload; /* whether it reads options in `file` and `sname` */
    /* The Pi 3's network chip holds back a packet until another one comes: so a reply by broadcast, not at once, and
     * one more harmless broadcast behind it. */
    uint32_t delay_ms;
    bool by_broadcast;
};

static const struct recipe recipes[FIRMWARE_COUNT] = {
    [FIRMWARE_UNKNOWN] = {.add = add_tftp_server, .may_overload = true},
    [FIRMWARE_PI3_ROM] = {.add = add_pi, .delay_ms = PI3_DELAY_MS, .by_broadcast = true},
    [FIRMWARE_PI3_BOOTCODE] = {.add = add_pi, .delay_ms = PI3_DELAY_MS, .by_broadcast = true},
    [FIRMWARE_PI4] = {.add = add_pi},
    [FIRMWARE_PI5] = {.add = add_pi},
    [FIRMWARE_PXE_BIOS] = {.add = add_pxe},
    [FIRMWARE_UEFI_PXE] = {.add = add_pxe},
    [FIRMWARE_UEFI_HTTP] = {.add = add_http},
    [FIRMWARE_IPXE] = {.add = add_ipxe, .may_overload = true},
    [FIRMWARE_U_BOOT] = {.add = add_u_boot, .may_overload = true},
    [FIRMWARE_INITRAMFS] = {.add = add_tftp_server, .may_overload = true},
    [FIRMWARE_OS] = {.add = add_tftp_server, .may_overload = true},
};

bool dhcp_boot_add(struct dhcp_answer *answer, const struct dhcp_context *context, const struct dhcp_message *request)
{
    const struct recipe *recipe = &recipes[context->client.firmware];

    answer->may_overload = recipe->may_overload;
    answer->delay_ms = recipe->delay_ms;
    answer->must_broadcast = recipe->by_broadcast;
    answer->announce_self = recipe->by_broadcast;
    /* Whoever is no machine of ours must go on to the next entry of its boot order. */
    if (firmware_boots(context->client.firmware) && !context->machine)
        return false;
    bool boots = recipe->add(answer, context, request);
    dhcp_wishes_add(answer, context);
    return boots;
}
