/*
 * What every unit test begins with: cmocka, and the headers it wants before itself.
 */
#pragma once

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
