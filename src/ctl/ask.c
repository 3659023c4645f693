#include "ctl/ask.h"

#include "ctl/client.h"
#include "ctl/terminal.h"

int ask_and_tell(const struct arguments *arguments, const char *method, const char *path, const json_t *body,
                 void (*tell)(const json_t *reply))
{
    json_t *reply;
    int status = client_ask(arguments->socket, method, path, body, &reply);

    if (status != CTL_EXIT_OK)
        return status;
    if (arguments_value(arguments, "--json"))
        print_json(reply, false);
    else
        tell(reply);
    json_decref(reply);
    return CTL_EXIT_OK;
}
