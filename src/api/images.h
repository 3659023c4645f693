/*
 * An image as a client sees it.
 */
#pragma once

#include "fleet/machine.h"

#include <jansson.h>

json_t *image_json(const struct image *image);
