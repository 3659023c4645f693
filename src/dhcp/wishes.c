#include "dhcp/wishes.h"

#include "fleet/dhcp_option.h"

static void set_text(struct dhcp_message *reply, uint8_t code, const char *text)
{
    dhcp_set(reply, code, text, strlen(text));
}

/* Firmware looks at one of three places, each at another one. */
static void set_boot_server(struct dhcp_message *reply, const char *server)
{
    uint32_t address;

    if (!*server)
        return;
    if (inet_parse(server, &address))
        reply->siaddr = address;
    set_text(reply, DHCP_OPTION_TFTP_SERVER, server);
    COPY_STRING(reply->sname, server);
}

static void set_boot_file(struct dhcp_message *reply, const char *file)
{
    if (!*file)
        return;
    set_text(reply, DHCP_OPTION_BOOT_FILE, file);
    COPY_STRING(reply->file, file);
}

void dhcp_wishes_add(struct dhcp_answer *answer, const struct dhcp_context *context)
{
    const struct machine *machine = context->machine;
    struct dhcp_extra extra;

    if (!machine)
        return;
    for (const char *at = machine_setting(machine, SETTING_DHCP_OPTION); dhcp_extra_next(&at, &extra);)
        dhcp_set(&answer->reply, extra.code, extra.bytes, extra.length_bytes);
    if (!firmware_boots(context->client.firmware))
        return;
    set_boot_server(&answer->reply, machine_setting(machine, SETTING_BOOT_SERVER));
    set_boot_file(&answer->reply, machine_setting(machine, SETTING_BOOT_FILE));
}
