#!/bin/sh
exec wasmedge "$@"
