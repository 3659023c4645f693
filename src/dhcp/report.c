#include "dhcp/report.h"

#include <stdarg.h>
#include <stdio.h>

static enum stage stage_of(const struct dhcp_subject *subject)
{
    if (firmware_boots(subject->client.firmware))
        return STAGE_DHCP;
    /* The same programs run in an initramfs and later; a boot never goes back, so that does no harm. */
    return subject->client.firmware == FIRMWARE_INITRAMFS ? STAGE_INITRAMFS : STAGE_NONE;
}

/* ---- saying it not too often ---- */

static uint64_t key_of(const struct mac *mac, const char *kind)
{
    uint64_t key = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < MAC_BYTES; i++)
        key = (key ^ mac->bytes[i]) * 1099511628211u;
    for (; *kind; kind++)
        key = (key ^ (uint8_t)*kind) * 1099511628211u;
    return key;
}

static bool strangers_may_speak(struct dhcp_report *report, enum event_level level, uint64_t now_ms)
{
    if (report->second != now_ms / 1000) {
        report->second = now_ms / 1000;
        memset(report->strangers_in_second, 0, sizeof(report->strangers_in_second));
    }
    return report->strangers_in_second[level > EVENT_DEBUG]++ < DHCP_REPORT_STRANGERS_PER_SECOND;
}

static bool is_news(struct dhcp_report *report, const struct dhcp_subject *subject, enum event_level level,
                    const char *kind)
{
    uint64_t key = key_of(&subject->mac, kind);
    __typeof__(report->slots[0]) *slot = &report->slots[key % DHCP_REPORT_SLOTS];
    uint64_t pause_ms = subject->is_machine ? DHCP_REPORT_MACHINE_MS : DHCP_REPORT_STRANGER_MS;

    if (slot->key == key && subject->now_ms - slot->said_ms < pause_ms)
        return false;
    if (!subject->is_machine && !strangers_may_speak(report, level, subject->now_ms))
        return false;
    slot->key = key;
    slot->said_ms = subject->now_ms;
    return true;
}

PRINTF_LIKE(5, 6)
static void say(struct dhcp_report *report, const struct dhcp_subject *subject, enum event_level level,
                const char *kind, const char *format, ...)
{
    char text[EVENT_TEXT_SIZE];
    va_list ap;

    if (!is_news(report, subject, level, kind))
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    event_post(report->sink, subject->is_machine ? &subject->machine : NULL, &subject->mac, stage_of(subject), level,
               kind, "%s", text);
}

/* What becomes of strangers that only want an address is of interest to few. */
static enum event_level usual_level(const struct dhcp_subject *subject)
{
    return subject->is_machine ? EVENT_INFO : EVENT_DEBUG;
}

enum { WHO_SIZE = 64 };

/* "Raspberry Pi 4 (serial 1234abcd)" */
static const char *who(char to[WHO_SIZE], const struct dhcp_subject *subject)
{
    const struct recognition *client = &subject->client;

    if (client->serial)
        snprintf(to, WHO_SIZE, "%s (serial %08x)", firmware_name(client->firmware), client->serial);
    else
        snprintf(to, WHO_SIZE, "%s", firmware_name(client->firmware));
    return to;
}

/* ---- one sentence per outcome ---- */

static void report_discover(struct dhcp_report *report, const struct dhcp_subject *subject,
                            const struct dhcp_answer *answer)
{
    char text[WHO_SIZE];
    char mac[MAC_TEXT_SIZE];

    if (!firmware_boots(subject->client.firmware))
        say(report, subject, usual_level(subject), "dhcp.discover", "%s asks for an address", who(text, subject));
    else if (subject->is_machine)
        say(report, subject, EVENT_INFO, "dhcp.discover", "%s asks to boot", who(text, subject));
    else
        say(report, subject, EVENT_INFO, "dhcp.unknown",
            "unknown %s asks to boot; to let it: farboot machine add NAME %s --image IMAGE", who(text, subject),
            mac_format(mac, &subject->mac, ':'));
    if (subject->is_machine && answer->no_boot_reason)
        say(report, subject, EVENT_WARNING, "dhcp.noboot", "%s gets nothing to boot: %s", who(text, subject),
            answer->no_boot_reason);
    if (answer->reservation_is_taken)
        say(report, subject, EVENT_WARNING, "dhcp.conflict",
            "its address %s is still in use by somebody else; it gets another one for now",
            inet_format(text, subject->machine.address));
}

static void report_offer(struct dhcp_report *report, const struct dhcp_subject *subject,
                         const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    char address[INET_TEXT_SIZE];

    say(report, subject, usual_level(subject), "dhcp.offer", "offered %s", inet_format(address, answer->reply.yiaddr));
}

static void report_proxy(struct dhcp_report *report, const struct dhcp_subject *subject,
                         const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    char address[INET_TEXT_SIZE];

    say(report, subject, EVENT_INFO, "dhcp.offer", "told to boot from %s", inet_format(address, answer->reply.siaddr));
}

static void report_nak(struct dhcp_report *report, const struct dhcp_subject *subject,
                       const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    char address[INET_TEXT_SIZE];
    uint32_t wanted = request->ciaddr ? request->ciaddr : dhcp_get_u32(request, DHCP_OPTION_REQUESTED_ADDRESS, 0);

    say(report, subject, usual_level(subject), "dhcp.nak", "asked for %s, which is not its own here: refused",
        inet_format(address, wanted));
}

static void report_other_server(struct dhcp_report *report, const struct dhcp_subject *subject,
                                const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    char address[INET_TEXT_SIZE];
    char server[INET_TEXT_SIZE];

    if (!answer->binding.address)
        return;
    inet_format(address, answer->binding.address);
    if (answer->other_server)
        say(report, subject, usual_level(subject), "dhcp.lease", "takes %s from the DHCP server %s", address,
            inet_format(server, answer->other_server));
    else
        say(report, subject, EVENT_DEBUG, "dhcp.lease", "goes on using %s", address);
}

static void report_released(struct dhcp_report *report, const struct dhcp_subject *subject,
                            const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    char address[INET_TEXT_SIZE];

    say(report, subject, usual_level(subject), "dhcp.release", "gave %s back",
        inet_format(address, answer->binding.address));
}

static void report_declined(struct dhcp_report *report, const struct dhcp_subject *subject,
                            const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    char address[INET_TEXT_SIZE];

    say(report, subject, EVENT_WARNING, "dhcp.decline",
        "found somebody else at %s: that address is kept back for %d minutes",
        inet_format(address, answer->binding.address), ADDRESS_QUARANTINE_SECONDS / 60);
}

static void report_ignored(struct dhcp_report *report, const struct dhcp_subject *subject,
                           const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    static const struct {
        enum event_level level;
        const char *kind;
        const char *sentence;
    } reasons[] = {
        [DHCP_WHY_NO_ADDRESS] = {EVENT_WARNING, "dhcp.full", "gets no address: none is free in its subnet"},
        [DHCP_WHY_NO_SUBNET] = {EVENT_DEBUG, "dhcp.ignored", "is in a subnet that is not configured"},
        [DHCP_WHY_NOT_OURS] = {EVENT_DEBUG, "dhcp.ignored", "asks for an address that another server may have given"},
        [DHCP_WHY_KEPT_BY_OTHER] = {EVENT_DEBUG, "dhcp.ignored", "speaks of an address that is not its own"},
    };

    if (answer->why < ARRAY_SIZE(reasons) && reasons[answer->why].kind)
        say(report, subject, reasons[answer->why].level, reasons[answer->why].kind, "%s",
            reasons[answer->why].sentence);
}

static void (*const sentences[])(struct dhcp_report *report, const struct dhcp_subject *subject,
                                 const struct dhcp_message *request, const struct dhcp_answer *answer) = {
    [DHCP_OUTCOME_IGNORE] = report_ignored,
    [DHCP_OUTCOME_OFFER] = report_offer,
    [DHCP_OUTCOME_DURABLE_OFFER] = report_offer,
    [DHCP_OUTCOME_NAK] = report_nak,
    [DHCP_OUTCOME_PROXY_OFFER] = report_proxy,
    [DHCP_OUTCOME_OTHER_SERVER] = report_other_server,
    [DHCP_OUTCOME_RELEASED] = report_released,
    [DHCP_OUTCOME_DECLINED] = report_declined,
};

void dhcp_report_decision(struct dhcp_report *report, const struct dhcp_subject *subject,
                          const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    if (dhcp_type(request) == DHCP_DISCOVER && answer->why != DHCP_WHY_NOT_FOR_US)
        report_discover(report, subject, answer);
    if (answer->outcome < ARRAY_SIZE(sentences) && sentences[answer->outcome])
        sentences[answer->outcome](report, subject, request, answer);
}

void dhcp_report_ack(struct dhcp_report *report, const struct dhcp_subject *subject, uint32_t address, bool renewed)
{
    char text[INET_TEXT_SIZE];

    say(report, subject, renewed ? EVENT_DEBUG : usual_level(subject), "dhcp.ack", "%s %s",
        renewed ? "goes on using" : "has", inet_format(text, address));
}

void dhcp_report_not_stored(struct dhcp_report *report, const struct dhcp_subject *subject, uint32_t address, int code)
{
    char text[INET_TEXT_SIZE];

    say(report, subject, EVENT_ERROR, "dhcp.store", "gets no answer: its lease of %s could not be stored: %s",
        inet_format(text, address), strerror(-code));
}

void dhcp_report_left_out(struct dhcp_report *report, const struct dhcp_subject *subject, unsigned count)
{
    say(report, subject, EVENT_DEBUG, "dhcp.size", "its reply had no room for %u options", count);
}
