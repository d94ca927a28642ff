"""Sends requests with boto3 to the stub: capture_boto3.py ENDPOINT"""

import http.client
import sys
import urllib.parse

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

endpoint = sys.argv[1]
host = urllib.parse.urlsplit(endpoint).netloc
APP = "arn:aws:chime:us-east-1:000000000000:app-instance/0b1c2d3e-0000-4000-8000-000000000001"
USER = APP + "/user/us-east-1:alice@example.com"
CHANNEL = APP + "/channel/room_1"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEXAMPLE//token+with/reserved=chars=="


def name(label):
    conn = http.client.HTTPConnection(host)
    conn.request("X", "/" + label)
    conn.getresponse().read()
    conn.close()


def client(service, token=None):
    return boto3.client(service, region_name="us-east-1", endpoint_url=endpoint,
                        aws_access_key_id=KEY, aws_secret_access_key=SECRET, aws_session_token=token)


def attempt(call, **arguments):
    try:
        call(**arguments)
    except Exception as err:  # the stub's answer is empty: only the request matters
        print(type(err).__name__, file=sys.stderr)


name("boto3-send-message")
attempt(client("chime-sdk-messaging").send_channel_message, ChannelArn=CHANNEL, Content="hé\t  <llo> +%20",
        Type="STANDARD", Persistence="PERSISTENT", ClientRequestToken="token-1", ChimeBearer=USER)
name("boto3-token-list-messages")
attempt(client("chime-sdk-messaging", TOKEN).list_channel_messages, ChannelArn=CHANNEL, ChimeBearer=USER,
        NextToken="a+b/c==~*'( )", MaxResults=5, SortOrder="DESCENDING")
name("boto3-read-marker")
attempt(client("chime-sdk-messaging", TOKEN).update_channel_read_marker, ChannelArn=CHANNEL, ChimeBearer=USER)
name("boto3-identity-create-user")
attempt(client("chime-sdk-identity").create_app_instance_user, AppInstanceArn=APP, AppInstanceUserId="us-east-1:bob",
        Name="Bob", ClientRequestToken="token-2")
name("boto3-sts-caller")
attempt(client("sts", TOKEN).get_caller_identity)

# A hand-written presigner on botocore: the URL of the messaging socket.
name("botocore-presign-connect")
request = AWSRequest(method="GET", url=endpoint + "/connect",
                     params={"userArn": USER, "sessionId": "it's (me)~*!", "prefetch-on": "connect"})
SigV4QueryAuth(Credentials(KEY, SECRET, TOKEN), "chime", "us-east-1", expires=10).add_auth(request)
url = urllib.parse.urlsplit(request.url)
conn = http.client.HTTPConnection(host)
conn.request("GET", url.path + "?" + url.query)
conn.getresponse().read()
