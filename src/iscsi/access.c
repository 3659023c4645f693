#include "iscsi/access.h"

#include <strings.h>

#define IPXE_PREFIX "iqn.2010-04.org.ipxe"

bool access_is_firmware_name(const char *initiator_name)
{
    return strncasecmp(initiator_name, IPXE_PREFIX, strlen(IPXE_PREFIX)) == 0;
}

enum access access_decide(const struct access_request *request)
{
    const struct machine *machine = request->machine;
    bool same_address = machine && request->knows_mac && mac_equal(&request->mac, &machine->mac);
    struct mac named;

    if (!machine)
        return ACCESS_NO_SUCH_TARGET;
    if (access_is_firmware_name(request->initiator_name)) {
        if (same_address)
            return ACCESS_GRANTED;
        return request->knows_mac ? ACCESS_OTHER_ADDRESS : ACCESS_UNKNOWN_ADDRESS;
    }
    if (!machine_mac_of_initiator(request->initiator_name, request->iqn_prefix, &named) ||
        !mac_equal(&named, &machine->mac))
        return ACCESS_OTHER_MACHINE;
    return request->knows_mac && !same_address ? ACCESS_OTHER_ADDRESS : ACCESS_GRANTED;
}

enum login_status access_status(enum access access)
{
    switch (access) {
    case ACCESS_GRANTED:
        return LOGIN_SUCCESS;
    case ACCESS_NO_SUCH_TARGET:
        return LOGIN_NOT_FOUND;
    case ACCESS_OTHER_MACHINE:
    case ACCESS_OTHER_ADDRESS:
    case ACCESS_UNKNOWN_ADDRESS:
        return LOGIN_FORBIDDEN;
    }
    return LOGIN_TARGET_ERROR;
}

const char *access_reason(enum access access)
{
    switch (access) {
    case ACCESS_GRANTED:
        return "allowed";
    case ACCESS_NO_SUCH_TARGET:
        return "no machine has that disk";
    case ACCESS_OTHER_MACHINE:
        return "its initiator name is not this machine's";
    case ACCESS_OTHER_ADDRESS:
        return "its address belongs to another machine";
    case ACCESS_UNKNOWN_ADDRESS:
        return "firmware without a name of ours, from an address that no machine is known at";
    }
    return "?";
}
