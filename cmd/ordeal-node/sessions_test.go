package main_test

